/**
 * A forwarding HTTP proxy as a program, so that it can run in a namespace: `PORT [FROM]`. Listens on 127.0.0.1 and
 * prints each request.
 *
 * Not tinyproxy: that one closes connections which it let the client believe to be kept alive, and a PUT sent on one
 * is lost ("EOF"): an etcd behind it registers or exits by chance.
 */
import { createServer, request } from "node:http";

const [port, from] = process.argv.slice(2);
const localAddress = from === undefined ? {} : { localAddress: from };

const server = createServer((incoming, outgoing) => {
  const { method = "GET", url = "", headers } = incoming;
  process.stdout.write(`request ${method} ${url}\n`);
  const passed = request(url, { method, headers, ...localAddress }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  passed.on("error", () => outgoing.destroy());
  outgoing.on("close", () => passed.destroy());
  incoming.pipe(passed);
});
server.listen(Number(port), "127.0.0.1", () => process.stdout.write("the proxy is ready\n"));
