/**
 * How long TCP takes through PPTP between Linux's programs in guests, beside the same client with our server outside of any guest.
 *
 *   scripts/node test/bench/pptp-guests/run.ts [ROUNDS]
 *
 * All subjects take turns; the bytes come from the same place, and their hashes are checked. Means in seconds, in Markdown.
 */
import assert from 'node:assert/strict';
import { missingForLab } from '@culvert/testkit';
import { callers, labPrograms, ours, PptpLab, password, pptpd } from '../../e2e/pptp/lab.ts';
import { expectedHash } from '../../e2e/traffic.ts';

const BYTES = 10_000_000;
const PORT = 7_000;
/** Of our end inside the tunnel, and what pptpd gives addresses from. */
const gateway = '10.99.0.1';
const pool = '10.98.0.0/24';
const [caller = ''] = callers;
const rounds = Number(process.argv[2] ?? 6);
const EXEC = 300_000;

interface Subject {
  readonly name: string;
  /** Where the bytes come from and go, once the way is there. */
  open(lab: PptpLab): Promise<{ readonly address: string; close(): Promise<unknown> }>;
}

const subjects: readonly Subject[] = [
  { name: 'without a tunnel', open: async () => ({ address: ours, close: async () => {} }) },
  {
    name: 'pptp-linux and pptpd',
    open: async ({ client, server, router }) => {
      await server.exec('sysctl -qw net.ipv4.ip_forward=1');
      await server.exec('serve <<X\nrequire-mppe-128\nX');
      await router.ip(`route replace ${pool} via ${pptpd}`);
      await client.exec(`PEER=${pptpd}; call 0 ${caller} '${password}' require-mppe-128`);
      await client.exec(`ip route replace ${ours}/32 dev ppp0`);
      const close = async () => {
        await client.exec(`hang_up 0; PEER=${ours}`);
        await server.exec('stop');
      };
      return { address: ours, close };
    },
  },
  {
    name: 'pptp-linux and culvert',
    open: async (lab) => {
      const end = await lab.serve();
      await lab.client.exec(`PEER=${ours}; call 0 ${caller} '${password}' require-mppe-128`);
      const close = async () => {
        await lab.client.exec('hang_up 0');
        await end.stop();
      };
      return { address: gateway, close };
    },
  },
];

async function seconds(work: () => Promise<string>): Promise<{ readonly text: string; readonly took: number }> {
  const start = performance.now();
  const text = await work();
  return { text, took: (performance.now() - start) / 1_000 };
}

const missing = missingForLab(labPrograms);
if (missing.length > 0) throw new Error(missing.join('; '));
await using lab = await PptpLab.open('client', 'server');
const times = subjects.map(() => ({ get: 0, put: 0 }));
for (let round = 0; round < rounds; round++) {
  for (const [i, subject] of subjects.entries()) {
    const { address, close } = await subject.open(lab);
    const got = await seconds(() => lab.client.exec(`get ${address} ${PORT} ${BYTES}`, EXEC));
    assert.equal(got.text.slice(0, 64), expectedHash(BYTES));
    const put = await seconds(() => lab.client.exec(`put ${address} ${PORT} ${BYTES}`, EXEC));
    const [sent = '', received = ''] = put.text.split('\n');
    assert.equal(JSON.parse(received).hash, sent.slice(0, 64));
    await close();
    const sum = times[i] ?? { get: 0, put: 0 };
    sum.get += got.took / rounds;
    sum.put += put.took / rounds;
    console.error(`round ${round + 1}: ${subject.name}: ${got.took.toFixed(2)} s, ${put.took.toFixed(2)} s`);
  }
}
console.log('| 10 MB over TCP | to the client, s | from it, s |\n| --- | --- | --- |');
for (const [i, { name }] of subjects.entries())
  console.log(`| ${name} | ${times[i]?.get.toFixed(2)} | ${times[i]?.put.toFixed(2)} |`);
