/** Writes docs/culvertd.schema.json from the configuration's schema: scripts/node scripts/write-config-schema.ts */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gatewayJsonSchema } from '../packages/config/src/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const file = `${root}docs/culvertd.schema.json`;
writeFileSync(file, `${JSON.stringify(gatewayJsonSchema(), null, 2)}\n`);
execFileSync(`${root}node_modules/.bin/biome`, ['format', '--write', file], { cwd: root, stdio: 'inherit' });
