import { ConfigError, loadGatewayConfig } from '@culvert/config';
import { type CommandModule, createLogger } from '@culvert/terminal';
import packageJson from '../../package.json' with { type: 'json' };
import { runDaemon } from '../daemon.ts';
import { inputReader } from '../inputs.ts';
import { stepDown, takeInherited } from '../privileges.ts';
import { type ConfigArguments, configOption, printProblems } from './common.ts';

export const runCommand: CommandModule<unknown, ConfigArguments> = {
  command: 'run',
  describe: 'Run the gateway, in the foreground, until SIGTERM',
  builder: (y) =>
    configOption(y)
      .example('$0 run --config ./culvertd.yaml', 'try a configuration by hand')
      .epilogue(
        'Started as root, it becomes the service user (key user) before it listens. SIGHUP reads the configuration again.',
      ),
  handler: async ({ config: file }) => {
    const inherited = takeInherited();
    const notRead = new Set<string>();
    const readInput = inputReader(inherited, { onInherited: (path) => void notRead.add(path) });
    const load = () => {
      notRead.clear();
      return { ...loadGatewayConfig(file, readInput, Date.now()), notRead: [...notRead] };
    };
    const { config, problems } = load();
    if (config === undefined) {
      throw new ConfigError(
        'CULVERT_CONFIG_INVALID',
        problems.filter(({ severity }) => severity === 'error'),
      );
    }
    if (inherited === undefined) printProblems(problems);
    stepDown(config, file, (sentence) => process.stderr.write(`culvertd: ${sentence}\n`));
    const log = createLogger(config.log);
    const stop = new AbortController();
    const onSignal = () => stop.abort();
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
    try {
      const read = (path: string) => readInput(path).text;
      await runDaemon({ config, log, version: packageJson.version, read, tunFd: inherited?.tun, load }, stop.signal);
    } finally {
      process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
    }
  },
};
