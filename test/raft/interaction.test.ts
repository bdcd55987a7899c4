import { interactionEnvironment } from "./interaction-environment.ts";
import { testScripts } from "./script-tests.ts";

testScripts(interactionEnvironment);
