/**
 * The custom form: `PUT /v2/keys/ANY/PATH/_config/size` with `value=N` prepares a token of the caller's own name, as
 * etcd's guides do it against a real etcd. Everything else below `/v2/keys` is what token.ts does.
 */
import type { HttpContext, HttpServices } from "./context.ts";
import { quote } from "./form.ts";
import type { KeyName } from "./key-path.ts";
import { JSON_TYPE, V2Refusal } from "./v2-error.ts";
import { eventBody, sizeNode } from "./v2-node.ts";

export function customTokensRefusal(): V2Refusal {
  return new V2Refusal(
    "keyNotFound",
    "tokens of one's own name are switched off here (--allow-custom-tokens); get one from /new",
  );
}

/** Nobody has prepared that token, or long ago. @param baseUrl This service's own. */
export function unpreparedRefusal({ key }: KeyName, baseUrl: string): V2Refusal {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return new V2Refusal(
    "keyNotFound",
    `no token of this name is prepared here, or it expired long ago; prepare it: curl -X PUT ${baseUrl}/v2/keys${path}/_config/size -d value=3`,
  );
}

/** @param value The size as text; null when none was given. */
export async function putSize(
  services: HttpServices,
  c: HttpContext,
  key: KeyName,
  value: string | null,
  prevExist: boolean | undefined,
): Promise<Response> {
  const { discovery, limiter, clients } = services;
  if (key.kind === "minted") {
    throw new V2Refusal("readOnly", "the size of a token cannot be changed; get a new token instead");
  }
  if (value === null || !/^\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
    const given = value === null ? "is missing" : `is ${quote(value)}`;
    throw new V2Refusal("invalidField", `the size ${given}; expected value=N, the number of members`);
  }
  const retryAfter = await limiter?.take(clients.addressOf(c));
  if (retryAfter !== undefined) {
    throw new V2Refusal(
      "tooManyRequests",
      `too many new tokens from your address; try again in ${retryAfter} s`,
      { "Retry-After": String(retryAfter) },
    );
  }
  if (prevExist !== undefined) {
    const exists = (await discovery.find(key.token)).type === "live";
    if (exists !== prevExist)
      throw new V2Refusal(exists ? "alreadyExists" : "keyNotFound", `${key.key}/_config/size`);
  }
  const { cluster, created } = await discovery.createCustom(key.token, Number(value));
  return new Response(eventBody("set", sizeNode(key, cluster)), {
    status: created ? 201 : 200,
    headers: {
      "Content-Type": JSON_TYPE,
      "X-Etcd-Index": String(discovery.index),
      "Cache-Control": "no-store",
    },
  });
}
