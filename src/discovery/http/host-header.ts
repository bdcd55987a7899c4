/** The Host header as HTTP/1.1 wants it: there, and once (RFC 9112 §3.2). What it says is for the routes to judge. */

/**
 * @param rawHeaders Names and values in turn.
 * @returns what is wrong, as a sentence.
 */
export function hostRefusal(rawHeaders: readonly string[], httpVersion: string): string | undefined {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  // A proxy in front may have judged by the other one.
  if (hosts > 1) return `the request has ${hosts} Host headers; send one`;
  if (hosts === 0 && httpVersion !== "1.0") return "the request has no Host header; HTTP/1.1 wants one";
  return undefined;
}
