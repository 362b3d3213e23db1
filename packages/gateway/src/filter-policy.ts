/** The configuration's filter in the core's words. */
import type { GatewayConfig } from '@culvert/config';
import type { FilterPolicy, FilterRule } from '@culvert/core';

export function filterPolicy({ default: otherwise, rules }: GatewayConfig['filter']): FilterPolicy {
  return {
    default: otherwise,
    rules: rules.map(
      ({ action, direction, groups, networks, protocol, ports }): FilterRule => ({
        action,
        direction: direction === 'to-office' ? 'fromClient' : 'fromOffice',
        groups,
        networks,
        protocol,
        ports: ports?.map(portRange),
      }),
    ),
  };
}

function portRange(port: number | string): { readonly from: number; readonly to: number } {
  if (typeof port === 'number') return { from: port, to: port };
  const [from = 0, to = 0] = port.split('-').map(Number);
  return { from, to };
}
