/** A wire that breaks at the worst moment: passes TCP bytes on, and loses the answer to one request when told to. */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Lab } from "./lab.ts";

export interface CuttingProxy {
  readonly url: string;
  /** The next request of `method` is answered, and the connection breaks instead of the answer arriving. */
  dropAnswer(method: string): Promise<void>;
  /**
   * The next request of `method` is passed on and the connection breaks at once.
   * @param before Called just before it is passed on.
   */
  breakAfter(method: string, before: () => void): Promise<void>;
}

/** What is to happen to the next request of a method; `done` is called when it has. */
interface Order {
  readonly method: string;
  readonly before: (() => void) | undefined;
  readonly done: () => void;
}

/** @param target Where to pass bytes on to, on 127.0.0.1. */
export async function startCuttingProxy(lab: Lab, target: number, port: number): Promise<CuttingProxy> {
  let order: Order | undefined;
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const service = connect(target, "127.0.0.1");
    let carriedOut: Order | undefined;
    const cut = (): void => {
      client.destroy();
      service.destroy();
    };
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.on("error", cut);
      socket.on("close", () => {
        sockets.delete(socket);
        cut();
        carriedOut?.done();
      });
    }
    client.on("data", (bytes) => {
      if (order !== undefined && bytes.toString("latin1").startsWith(`${order.method} `)) {
        carriedOut = order;
        order = undefined;
        carriedOut.before?.();
      }
      service.write(bytes, () => {
        if (carriedOut?.before !== undefined) cut();
      });
    });
    service.on("data", (bytes) => {
      if (carriedOut === undefined) client.write(bytes);
      else cut();
    });
  });
  lab.onClose(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  const give = (method: string, before: (() => void) | undefined): Promise<void> =>
    new Promise((done) => {
      order = { method, before, done };
    });
  return {
    url: `http://127.0.0.1:${port}`,
    dropAnswer: (method) => give(method, undefined),
    breakAfter: (method, before) => give(method, before),
  };
}
