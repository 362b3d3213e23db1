import { transportCompliance } from './compliance/transport.ts';
import { createMemoryTransport, MemoryNetwork } from './memory-transport.ts';

transportCompliance({
  name: 'the memory transport',
  setup: ({ rekeyAfter }) => {
    const network = new MemoryNetwork();
    return {
      transport: createMemoryTransport(),
      listenOptions: { network, ...(rekeyAfter !== undefined && { rekeyAfter }) },
      dialOptions: () => ({ network }),
      cutWire: () => network.cutWire(),
      healWire: () => network.healWire(),
      roam: () => network.roam(),
      hostile: (bytes) => network.hostile(bytes),
    };
  },
  teardown: () => {},
});
