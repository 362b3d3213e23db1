/**
 * The part of the decorator metadata proposal (Reflect.getMetadata and kin) that the container inside @peculiar/x509 reads as it loads.
 * JavaScript has none of it; where something else brought it, that stays.
 */
type Metadata = Map<unknown, unknown>;

interface ReflectWithMetadata {
  defineMetadata?(key: unknown, value: unknown, target: object): void;
  getOwnMetadata?(key: unknown, target: object): unknown;
  getMetadata?(key: unknown, target: object): unknown;
}

function installMetadata(reflect: ReflectWithMetadata): void {
  if (reflect.getMetadata !== undefined) return;
  const all = new WeakMap<object, Metadata>();
  const own = (key: unknown, target: object) => all.get(target)?.get(key);
  reflect.defineMetadata = (key, value, target) => {
    const metadata = all.get(target) ?? new Map();
    all.set(target, metadata.set(key, value));
  };
  reflect.getOwnMetadata = own;
  reflect.getMetadata = (key, target) => {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
      if (all.get(at)?.has(key)) return own(key, at);
    }
    return undefined;
  };
}

installMetadata(Reflect as ReflectWithMetadata);
