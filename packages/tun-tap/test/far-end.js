// A namespace of its own with one end of a joined pair of devices: started by `unshare -n`, told on its standard input when
// the device `far` is there. Takes TCP connections, hashes what each sends until it ends, and answers with the hash and as
// many bytes as the peer sent.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

process.stdin
  .once('data', () => {
    const setUp = 'ip link set far up; ip address add 10.9.0.2/24 dev far; ip address add fd09::2/64 dev far nodad';
    execFileSync('sh', ['-ec', setUp]);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash('sha256');
      const pieces = [];
      socket.on('data', (piece) => {
        hash.update(piece);
        pieces.push(piece);
      });
      socket.on('end', () => socket.end(Buffer.concat([hash.digest(), ...pieces])));
    });
    server.listen(7, '::', () => process.stdout.write('ready\n'));
  })
  .on('end', () => process.exit());
process.stdout.write('here\n');
