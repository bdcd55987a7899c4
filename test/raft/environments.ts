import { confchangeEnvironment } from "./confchange-environment.ts";
import type { Environment } from "./datadriven.ts";
import { interactionEnvironment } from "./interaction-environment.ts";
import { quorumEnvironment } from "./quorum-environment.ts";

/** All kinds of scripts that can be run. */
export const ENVIRONMENTS: readonly Environment[] = [
  quorumEnvironment,
  confchangeEnvironment,
  interactionEnvironment,
];
