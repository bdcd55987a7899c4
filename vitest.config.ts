import { defineConfig } from "vitest/config";
import { TestSummary } from "./scripts/test-summary.ts";

// Two groups that need different care: `unit` runs in parallel and needs only npm; `interop` starts real
// programs (etcd, dig, knot …), some of them in network namespaces, one file after another.
export default defineConfig({
  test: {
    reporters: ["default", new TestSummary()],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/interop/**"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
