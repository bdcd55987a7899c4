import { describe, expect, test } from "vitest";
import {
  boolean,
  choice,
  describeFlags,
  duration,
  formatDuration,
  integer,
  list,
  parseFlags,
  text,
  variableName,
} from "../../src/config/flags.ts";
import { UsageError } from "../../src/lib/errors.ts";

const GROUPS = {
  Registry: {
    data: text("folder that holds the registry", "./data", "DIR"),
    "max-size": integer("largest size", 100, 1, 1000),
    "token-ttl": duration("life of a token", "168h", 1000, 365 * 86_400_000),
  },
  Network: {
    "listen-http": list("addresses", {
      fallback: ["http://127.0.0.1:1", "http://[::1]:1"],
      placeholder: "URL",
    }),
    "trust-port": list("ports", { each: (value) => Number(value) }),
    "allow-custom": boolean("custom tokens", true),
    quiet: boolean("say less"),
    store: choice("what keeps it", ["sqlite", "etcd"], "sqlite"),
  },
};

const parse = (argv: readonly string[], environment: Record<string, string> = {}) =>
  parseFlags(GROUPS, argv, environment);
const refusal = (argv: readonly string[], environment: Record<string, string> = {}): string => {
  try {
    parse(argv, environment);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error(`${argv.join(" ")} was accepted`);
};

test("without anything, every flag has its default", () => {
  expect(parse([])).toEqual({
    values: {
      data: "./data",
      maxSize: 100,
      tokenTtl: 168 * 3_600_000,
      listenHttp: ["http://127.0.0.1:1", "http://[::1]:1"],
      trustPort: [],
      allowCustom: true,
      quiet: false,
      store: "sqlite",
    },
    given: new Set(),
    rest: [],
    help: false,
  });
});

describe("syntax is that of Go's flag package", () => {
  test.each([["--max-size", "7"], ["-max-size", "7"], ["--max-size=7"], ["-max-size=7"]])(
    "%s %s",
    (...argv) => {
      const { values, given } = parse(argv.filter((word) => word !== undefined));
      expect(values.maxSize).toBe(7);
      expect(given).toEqual(new Set(["max-size"]));
    },
  );

  test("a value may begin with a dash, hold =, or be empty", () => {
    expect(parse(["--data", "-x"]).values.data).toBe("-x");
    expect(parse(["--data=a=b"]).values.data).toBe("a=b");
    expect(parse(["--data="]).values.data).toBe("");
  });

  test("a boolean stands alone or has =true and =false, and takes no next word", () => {
    expect(parse(["--quiet"]).values.quiet).toBe(true);
    expect(parse(["--quiet=false", "--allow-custom=f"]).values).toMatchObject({
      quiet: false,
      allowCustom: false,
    });
    expect(parse(["--quiet", "false"])).toMatchObject({ values: { quiet: true }, rest: ["false"] });
  });

  test("-- ends the flags; other words are left", () => {
    expect(parse(["a", "--quiet", "-", "--", "--max-size", "7"])).toMatchObject({
      values: { quiet: true, maxSize: 100 },
      rest: ["a", "-", "--max-size", "7"],
    });
  });

  test("of a repeated flag the last counts, but a list grows", () => {
    expect(parse(["--max-size=1", "--max-size=2"]).values.maxSize).toBe(2);
    expect(parse(["--trust-port=1, 2,", "--trust-port", "3"]).values.trustPort).toEqual([1, 2, 3]);
    expect(parse(["--listen-http="]).values.listenHttp).toEqual([]);
  });
});

describe("variables", () => {
  test("a flag wins over its variable, which wins over the default", () => {
    const environment = { QUORATE_MAX_SIZE: "8", QUORATE_LISTEN_HTTP: "http://a:1,http://b:1" };
    expect(parse([], environment).values).toMatchObject({
      maxSize: 8,
      listenHttp: ["http://a:1", "http://b:1"],
    });
    expect(parse(["--max-size=9", "--listen-http=http://c:1"], environment).values).toMatchObject({
      maxSize: 9,
      listenHttp: ["http://c:1"],
    });
    expect(parse([], environment).given).toEqual(new Set(["max-size", "listen-http"]));
  });

  test("an empty one counts as absent", () => {
    expect(parse([], { QUORATE_MAX_SIZE: "" }).values.maxSize).toBe(100);
  });

  test("another prefix reads others", () => {
    expect(
      parseFlags(GROUPS, [], { ETCD_QUIET: "true", QUORATE_MAX_SIZE: "8" }, "ETCD_").values,
    ).toMatchObject({
      quiet: true,
      maxSize: 100,
    });
    expect(variableName("max-size", "ETCD_")).toBe("ETCD_MAX_SIZE");
  });
});

describe("what is wrong is said with the flag or variable, the value, and what was expected", () => {
  test.each([
    [["--max-size=0"], 'bad value "0" for --max-size: expected a whole number from 1 to 1000'],
    [["--max-size=1001"], 'bad value "1001" for --max-size: expected a whole number from 1 to 1000'],
    [["--max-size=3x"], 'bad value "3x" for --max-size: expected a whole number from 1 to 1000'],
    [["--max-size=3.5"], 'bad value "3.5" for --max-size: expected a whole number from 1 to 1000'],
    [["--max-size="], 'bad value "" for --max-size: expected a whole number from 1 to 1000'],
    [["--token-ttl=5"], 'bad value "5" for --token-ttl: expected a duration such as 90s, 5m or 168h'],
    [["--token-ttl=5 m"], 'bad value "5 m" for --token-ttl: expected a duration such as 90s, 5m or 168h'],
    [["--token-ttl=1ms"], 'bad value "1ms" for --token-ttl: expected a duration from 1s to 8760h'],
    [["--quiet=maybe"], 'bad value "maybe" for --quiet: expected true or false'],
    [["--store=file"], 'bad value "file" for --store: expected sqlite or etcd'],
    [["--max-size"], "--max-size needs a value (N): largest size"],
    [["--no-such"], "unknown flag --no-such; --help lists the flags"],
    [["--max-sise=3"], "unknown flag --max-sise; did you mean --max-size?; --help lists the flags"],
    [["--maxsize=3"], "unknown flag --maxsize; did you mean --max-size?; --help lists the flags"],
    [["--constructor"], "unknown flag --constructor; --help lists the flags"],
  ])("%j", (argv, message) => {
    expect(refusal(argv)).toBe(message);
  });

  test("a variable", () => {
    expect(refusal([], { QUORATE_QUIET: "maybe" })).toBe(
      'bad value "maybe" for QUORATE_QUIET: expected true or false',
    );
  });
});

describe("--help", () => {
  test.each([["--help"], ["-h"], ["-help"], ["--max-size=0", "--help"], ["--help", "--no-such"]])(
    "%j %j asks for help, and nothing else is checked",
    (...argv) => {
      const words = argv.filter((word) => word !== undefined);
      expect(parse(words, { QUORATE_MAX_SIZE: "x" })).toMatchObject({ help: true, values: { maxSize: 100 } });
    },
  );

  test("after -- it is a word", () => {
    expect(parse(["--", "--help"])).toMatchObject({ help: false, rest: ["--help"] });
  });

  test("lists flags by group, with placeholder, default and variable", () => {
    const lines = describeFlags(GROUPS).split("\n");
    expect(lines.slice(0, 5)).toEqual([
      "Registry:",
      "  --data DIR",
      "        folder that holds the registry (default ./data; QUORATE_DATA)",
      "  --max-size N",
      "        largest size (default 100; QUORATE_MAX_SIZE)",
    ]);
    expect(lines).toContain("  --quiet");
    expect(lines).toContain("        say less (QUORATE_QUIET)");
    expect(lines).toContain("  --store sqlite|etcd");
  });

  test("long sentences are wrapped and lose no word", () => {
    const sentence = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
    const lines = describeFlags({ A: { x: text(sentence) } }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(
      lines
        .slice(2)
        .map((line) => line.trim())
        .join(" "),
    ).toBe(`${sentence} (QUORATE_X)`);
  });
});

describe("durations", () => {
  test.each([
    ["1500ms", 1500],
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
    ["0.5s", 500],
  ])("%s is %i ms", (given, ms) => {
    expect(duration("", "0s", 0, 1e12).parse(given)).toBe(ms);
  });

  test.each([
    [0, "0s"],
    [1, "1ms"],
    [5_400_000, "1h30m"],
    [90_061_001, "25h1m1s1ms"],
  ])("%i ms is written %s", (ms, written) => {
    expect(formatDuration(ms)).toBe(written);
  });
});
