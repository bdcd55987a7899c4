/** A service whose registrations are answered when the test says so. */
import type { Discovery } from "../../../src/discovery/discovery.ts";

/** Holds registrations back until `release`, and notes which answers were lost. */
export function slowRegistrations(): {
  readonly wrap: (discovery: Discovery) => Discovery;
  readonly release: () => void;
  readonly arrived: Promise<void>;
  readonly lost: string[];
} {
  const lost: string[] = [];
  let release = (): void => undefined;
  let arrive = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const wrap = (discovery: Discovery): Discovery =>
    new Proxy(discovery, {
      get(target, name) {
        if (name === "register") {
          return async (request: Parameters<Discovery["register"]>[0]) => {
            const result = await target.register(request);
            arrive();
            await gate;
            return result;
          };
        }
        if (name === "answerLost") {
          return (...told: Parameters<Discovery["answerLost"]>) => {
            lost.push(`${told[1]} ${told[2]}`);
            target.answerLost(...told);
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  return { wrap, release: () => release(), arrived, lost };
}
