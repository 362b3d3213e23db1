/**
 * What every Transport must do, as a suite. A transport calls it with its bed; a new rule here is a rule for all of them.
 *
 * Each test makes its own bed, so each also shows that a link leaves nothing behind.
 */
import { test } from 'node:test';
import { eventually } from '../eventually.ts';
import { type ComplianceTest, type OnStage, Stage, type TransportComplianceOptions, takeDown } from './bed.ts';
import { carryTests } from './carry.ts';
import { closeTests } from './close.ts';
import { connectTests } from './connect.ts';
import { openResources, surplus } from './resources.ts';
import { strangerTests } from './strangers.ts';
import { wireTests } from './wire.ts';

/** Declares the suite with node:test. */
export function transportCompliance<L, D>(options: TransportComplianceOptions<L, D>): void {
  const onStage: OnStage<L, D> = async (body, { wishes = {}, admission } = {}) => {
    const before = openResources();
    const bed = await options.setup(wishes);
    const stage = new Stage(bed, admission);
    try {
      await stage.listen();
      await body(stage);
      await takeDown(stage);
      await stage.assertReleased();
    } finally {
      await takeDown(stage);
      await options.teardown(bed);
    }
    let left = '';
    await eventually('nothing stays open', () => (left = surplus(before, openResources())) === '').catch((error) => {
      throw new Error(`${error.message}: ${left}`);
    });
  };
  const tests: ComplianceTest[] = [
    ...connectTests(onStage),
    ...carryTests(onStage, options.mtu ?? 1500, options.largestMtu),
    ...closeTests(onStage),
    ...wireTests(onStage),
    ...strangerTests(onStage, options.manyLinks ?? 1000),
  ];
  test(`${options.name} keeps the contract of a transport`, async (t) => {
    for (const [behaviour, body] of tests) await t.test(behaviour, body);
  });
}
