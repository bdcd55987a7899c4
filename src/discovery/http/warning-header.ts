/** `X-Quorate-Warning`: sentences for the person who looks at headers. etcd ignores it. */

/** Longer lists are cut: some clients refuse headers of several KB. */
const WARNING_LENGTH_MAX = 2000;

/** Empty when there is nothing to say. Whatever is not printable ASCII is written as `\uXXXX`. */
export function warningHeader(warnings: readonly string[]): Readonly<Record<string, string>> {
  if (warnings.length === 0) return {};
  const text = warnings
    .join("; ")
    .replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return { "X-Quorate-Warning": text.slice(0, WARNING_LENGTH_MAX) };
}
