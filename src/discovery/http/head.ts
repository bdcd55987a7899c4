/**
 * HEAD means GET's headers, as Go's server gives them for etcd. hono makes its own answer to HEAD from GET's, without
 * the length and with headers spelled in another way: so GET's answer goes past hono, and node leaves out its body.
 */
import type { App } from "./app.ts";
import type { HttpContext } from "./context.ts";

/** @returns a function that every route's answer has to go through. */
export function answerHeadAsGet(app: App): (c: HttpContext, response: Response) => Response {
  const kept = new WeakMap<Request, Response>();
  const { fetch } = app;
  app.fetch = (request, env, context) => {
    const response = fetch(request, env, context);
    if (request.method !== "HEAD") return response;
    return Promise.resolve(response).then((made) => kept.get(request) ?? made);
  };
  return (c, response) => {
    if (c.req.method !== "HEAD") return response;
    kept.set(c.req.raw, response);
    return new Response(null);
  };
}
