/** `npm run torture -- --rounds N [--seed N] [--over direct|http]` */
import { choice, integer, parseFlags } from "../../../src/config/flags.ts";
import { startDirect } from "./direct.ts";
import { startOverHttp } from "./over-http.ts";
import { torture } from "./torture.ts";

const flags = {
  Torture: {
    rounds: integer("times to kill the service", 300, 1, 1_000_000),
    seed: integer("where all choices come from; 0: a new one", 0, 0, 2 ** 32 - 1),
    over: choice("how the service is driven", ["direct", "http"], "http"),
  },
};

const { values } = parseFlags(flags, process.argv.slice(2), {});
const seed = values.seed === 0 ? Math.floor(Math.random() * 2 ** 32) : values.seed;
process.stdout.write(`seed ${seed}\n`);
const summary = await torture({
  start: values.over === "http" ? startOverHttp : startDirect,
  seed,
  rounds: values.rounds,
  onRound: (round, ledger) => {
    if (round % 50 === 49)
      process.stdout.write(
        `${round + 1} kills: ${ledger.tokens.length} tokens, ${ledger.registrations} members\n`,
      );
  },
});
process.stdout.write(
  `${summary.kills} kills: all ${summary.tokens} tokens and ${summary.registrations} members are there, ${summary.waiters} waiters counted right\n`,
);
