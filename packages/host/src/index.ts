/** Changes of the host, each journalled before it is made and undone on exit. */
export type {
  AddressChange,
  DnsChange,
  HostChange,
  LinkChange,
  NftChange,
  RouteChange,
  RuleChange,
  SysctlChange,
} from './change.ts';
export { pinnedRoutes, redirectRoutes, wayTo } from './client.ts';
export { isDomain } from './dns.ts';
export { HostError } from './errors.ts';
export { forwardingChanges, gatewayTable } from './gateway.ts';
export { type AppliedChanges, HostChanges, type HostOptions, recover } from './host-changes.ts';
export { watchRoutes } from './watch-routes.ts';
