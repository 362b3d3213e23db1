/** Opens a lab with a process in it, tells of both, and waits to be killed. */
import { Lab } from '../src/namespaces/lab.ts';

const host = await new Lab().createHost('left');
const child = host.spawn('sleep', ['1000']);
process.stdout.write(`${JSON.stringify({ name: host.name, pid: child.pid })}\n`);
setInterval(() => {}, 1_000);
