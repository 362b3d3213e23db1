/** Our own programs as either end, started as a user starts them. */
import type { Program } from '../end.ts';

export const culvert: Program = {
  name: 'culvert',
  reasons: {
    server: { foreign: /x/, expired: /x/, revoked: /x/, 'wrong-password': /x/ },
    client: () => ({ foreign: /x/, expired: /x/, revoked: /x/, 'wrong-password': /x/ }),
  },
  version: async () => '0.1.0',
  startServer: async () => {
    throw new Error('not yet');
  },
  startClient: async () => {
    throw new Error('not yet');
  },
  keyExchanges: () => 0,
};
