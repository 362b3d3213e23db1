/** IKE and ESP as sans-IO machines. */
export type { ChildSa, EspAlgorithms, EspKeys, EspMode, TrafficSelector } from './child-sa.ts';
