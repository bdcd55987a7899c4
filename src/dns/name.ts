/**
 * Domain names as text: labels joined by dots, without the final dot; the root is `""`. What quorate publishes has
 * letters, digits, `-` and `_` only, so text and wire form are the same labels and nothing needs an escape.
 */

/** RFC 1035 §2.3.4: 255 octets on the wire, of which one is the root and one each label's length. */
export const NAME_CHARS_MAX = 253;

const NAME = /^[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/;
const HOST_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Whether quorate can publish this name: plain characters, labels of 1 to 63, 253 at most. */
export function isName(text: string): boolean {
  return text.length <= NAME_CHARS_MAX && NAME.test(text);
}

/** Whether this is one label of a host name (RFC 1123 §2.1). */
export function isHostLabel(text: string): boolean {
  return HOST_LABEL.test(text);
}

/** Whether `name` is below `ancestor`, and not itself. Both in lower case; everything is below the root. */
export function isBelow(name: string, ancestor: string): boolean {
  return ancestor === "" ? name !== "" : name.endsWith(`.${ancestor}`);
}

/** `c` of `a.b.c` below `d` when asked about `a.b.c.d`. `name` must be below `ancestor`. */
export function labelAbove(name: string, ancestor: string): string {
  const left = ancestor === "" ? name : name.slice(0, -ancestor.length - 1);
  return left.slice(left.lastIndexOf(".") + 1);
}

/** `b.c` of `a.b.c`; `""` of a single label. */
export function parentOf(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? "" : name.slice(dot + 1);
}
