/** The stage that runs native code under AddressSanitizer and UBSan: see scripts/sanitized. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Outcome, runCommand, runTestFiles } from './stage.ts';

const packages = ['cipher', 'netio'];
/** What strangers' packets and hostile arguments reach. All tests of native code take more time than a stage should. */
const tests =
  'packages/{cipher/src/{openvpn,esp,mppe,trains}/{train,framed,mppe,trains},netio/src/*{trains,boundary,socket}}.test.ts';
const root = fileURLToPath(new URL('..', import.meta.url));
const directory = `${root}node_modules/.cache/sanitized`;
const hook = pathToFileURL(`${root}scripts/sanitized-natives.ts`).href;

/** Builds beside the usual binaries, which other stages use, and runs the packages' tests whose path contains one of `patterns`. */
export async function runSanitized(patterns: readonly string[]): Promise<Outcome> {
  const started = performance.now();
  const files = globSync(tests, { cwd: root })
    .sort()
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)));
  if (spawnSync(`${root}scripts/sanitized`, ['true']).status !== 0) return without('this compiler has no libasan');
  const built = await runCommand(`${root}scripts/build-native`, ['--sanitize', '--out', directory, ...packages]);
  if (built.failures.length > 0) return built;
  const outcome = await runTestFiles(files, { alone: [], first: [] }, { more: environment() });
  return { ...outcome, seconds: (performance.now() - started) / 1000 };
}

/** Of what scripts/sanitized starts, in a process that did load what was built. */
function environment(): Record<string, string> {
  const mine = {
    CULVERT_SANITIZED: directory,
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${hook}`.trim(),
  };
  const script = `await import('@culvert/netio');
    (await import('@culvert/cipher')).createTrains('native');
    const { LD_PRELOAD, ASAN_OPTIONS, UBSAN_OPTIONS } = process.env;
    const objects = process.report.getReport().sharedObjects;
    console.log(JSON.stringify({ objects, variables: { LD_PRELOAD, ASAN_OPTIONS, UBSAN_OPTIONS } }));`;
  const command = [process.execPath, '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(`${root}scripts/sanitized`, command, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...mine },
    maxBuffer: 64 << 20,
  });
  const { objects, variables } = JSON.parse(stdout || 'null') ?? { objects: [], variables: {} };
  const absent = packages.filter((name) => !objects.includes(`${directory}/${name}.node`));
  if (absent.length > 0) throw new Error(`not loaded with sanitizers: ${absent.join(', ')}\n${stderr}`);
  return { ...variables, ...mine };
}

function without(reason: string): Outcome {
  const name = `native code under sanitizers: ${reason}`;
  const failures = process.env['CI'] === '1' ? [{ name, reason }] : [];
  return { pass: 0, failures, unstable: [], skips: failures.length > 0 ? [] : [name], seconds: 0 };
}
