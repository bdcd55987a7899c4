/** One path's methods: runs the right one, answers OPTIONS, and refuses the others with what is allowed. */
import type { HttpContext, HttpHandler } from "./context.ts";

export type MethodTable = Readonly<Record<string, HttpHandler>>;

/**
 * @param table GET serves HEAD too unless `HEAD: false` says that its GET changes something.
 * @param refuse The answer to every other method, given what goes into `Allow`.
 */
export function methods(
  table: MethodTable,
  refuse: (c: HttpContext, allow: string) => Response,
  options: { readonly head?: boolean } = {},
): HttpHandler {
  const handlers = new Map(Object.entries(table));
  const get = handlers.get("GET");
  if (get !== undefined && options.head !== false) handlers.set("HEAD", get);
  const allow = [...handlers.keys(), "OPTIONS"].join(", ");
  return (c) => {
    const handler = handlers.get(c.req.method);
    if (handler !== undefined) return handler(c);
    if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { Allow: allow } });
    return refuse(c, allow);
  };
}
