/** culvertd.yaml from text to a checked configuration: every mistake at once, each with its line. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { checkFiles, type ReadInput, readableBy } from './check-files.ts';
import { checkMeaning } from './check-meaning.ts';
import { ConfigError } from './errors.ts';
import { explainIssues, formatKey } from './explain.ts';
import { doubt, type Finding } from './finding.ts';
import { type GatewayConfig, gatewaySchema } from './gateway-schema.ts';
import type { Problem } from './problem.ts';
import { type KeyPath, parseYamlSource } from './yaml-source.ts';

export interface LoadedConfig {
  /** Undefined when `problems` holds an error. */
  readonly config: GatewayConfig | undefined;
  /** Errors and warnings in the order of lines. */
  readonly problems: readonly Problem[];
}

/**
 * Reads and checks the configuration at `file`, and through `read` every file that it names.
 * Throws ConfigError (CULVERT_CONFIG_UNREADABLE) when the file itself cannot be read; all else is in `problems`.
 */
export function loadGatewayConfig(file: string, read: ReadInput, nowMillis: number): LoadedConfig {
  const path = resolve(file);
  let input: ReturnType<ReadInput>;
  try {
    input = read(path);
  } catch (error) {
    const detail = (error as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no ${file}` : file;
    throw new ConfigError('CULVERT_CONFIG_UNREADABLE', [], detail, { cause: error });
  }
  const { text, closedTo } = input;
  const closed = closedTo === undefined ? [] : [doubt([], `a file closed to user ${closedTo}`, readableBy(file))];
  return checkGatewayConfig(text, file, (config) => [...closed, ...checkFiles(config, read, nowMillis)]);
}

/** Checks the text of a configuration. `more` adds findings about what lies outside of it. */
export function checkGatewayConfig(
  text: string,
  file: string,
  more: (config: GatewayConfig) => readonly Finding[] = () => [],
): LoadedConfig {
  const source = parseYamlSource(text);
  if (source.mistakes.length > 0) {
    const problems = source.mistakes.map(({ line, message }) =>
      problemAt(file, line, {
        path: [],
        found: `text that is not YAML (${message})`,
        expected: 'YAML',
        severity: 'error',
      }),
    );
    return { config: undefined, problems };
  }
  const parsed = gatewaySchema.safeParse(source.value ?? {});
  if (!parsed.success) {
    const problems = explainIssues(parsed.error.issues, { file, source, keysAt: keysOf(gatewayJsonSchema()) });
    return { config: undefined, problems };
  }
  const config = absolutePaths(parsed.data, dirname(resolve(file)));
  const problems = [...checkMeaning(config), ...more(config)]
    .map((finding) => problemAt(file, source.lineOf(finding.path), finding))
    .sort((a, b) => a.line - b.line);
  return { config: problems.some(({ severity }) => severity === 'error') ? undefined : config, problems };
}

/** The JSON schema for editors: what people may write, defaults and descriptions included. */
export function gatewayJsonSchema(): Record<string, unknown> {
  return { title: 'culvertd.yaml', ...z.toJSONSchema(gatewaySchema, { io: 'input' }) };
}

function problemAt(file: string, line: number, { path, found, expected, severity }: Finding): Problem {
  return { file, line, key: formatKey(path), found, expected, severity };
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

function keysOf(schema: SchemaNode): (path: KeyPath) => readonly string[] {
  return (path) => {
    let nodes: readonly SchemaNode[] = [schema];
    for (const key of path) {
      nodes = nodes
        .flatMap((node) => [node, ...(node.anyOf ?? [])])
        .map((node) => (typeof key === 'number' ? node.items : node.properties?.[String(key)]))
        .filter((node) => node !== undefined);
    }
    return nodes.flatMap((node) => [node, ...(node.anyOf ?? [])]).flatMap((node) => Object.keys(node.properties ?? {}));
  };
}

function absolutePaths(config: GatewayConfig, base: string): GatewayConfig {
  const at = (path: string) => resolve(base, path);
  const { tls, transports } = config;
  const wrap = transports.openvpn.wrap;
  return {
    ...config,
    state: at(config.state),
    ...(config.secretKey !== undefined && { secretKey: at(config.secretKey) }),
    control: at(config.control),
    tls: {
      ...tls,
      ca: at(tls.ca),
      certificate: at(tls.certificate),
      privateKey: at(tls.privateKey),
      ...(tls.crl && { crl: { ...tls.crl, file: at(tls.crl.file) } }),
    },
    transports: {
      ...transports,
      openvpn: {
        ...transports.openvpn,
        wrap:
          wrap === 'none'
            ? wrap
            : {
                ...(wrap.tlsCryptV2 !== undefined && { tlsCryptV2: at(wrap.tlsCryptV2) }),
                ...(wrap.tlsCrypt !== undefined && { tlsCrypt: at(wrap.tlsCrypt) }),
              },
      },
      l2tpIpsec: absoluteL2tpIpsec(transports.l2tpIpsec, at),
    },
  };
}

type L2tpIpsec = GatewayConfig['transports']['l2tpIpsec'];

function absoluteL2tpIpsec(section: L2tpIpsec, at: (path: string) => string): L2tpIpsec {
  const { presharedKey, presharedKeys, tunnelSecret, certificate } = section;
  return {
    ...section,
    ...(presharedKey !== undefined && { presharedKey: at(presharedKey) }),
    presharedKeys: presharedKeys.map(({ network, file }) => ({ network, file: at(file) })),
    ...(tunnelSecret !== undefined && { tunnelSecret: at(tunnelSecret) }),
    ...(certificate && {
      certificate: {
        ca: at(certificate.ca),
        certificate: at(certificate.certificate),
        privateKey: at(certificate.privateKey),
        ...(certificate.crl !== undefined && { crl: at(certificate.crl) }),
      },
    }),
  };
}
