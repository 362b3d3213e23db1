/**
 * Runs inside a program that is measured (NODE_OPTIONS=--import): one SIGUSR2 starts V8's sampling heap profiler, what is
 * collected meanwhile included; the next stops it and writes PID-NUMBER.heapprofile to the folder in CULVERT_HEAP_PROFILES.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

/** Bytes between two samples, on average. */
const INTERVAL = 1024;

const session = new Session();
session.connect();
let sampling = false;
let written = 0;
process.on('SIGUSR2', () => {
  if (!sampling) {
    sampling = true;
    session.post('HeapProfiler.startSampling', {
      samplingInterval: INTERVAL,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    return;
  }
  sampling = false;
  session.post('HeapProfiler.stopSampling', (error, result) => {
    if (error !== null) throw error;
    const file = `${process.env['CULVERT_HEAP_PROFILES']}/${process.pid}-${++written}.heapprofile`;
    writeFileSync(`${file}.part`, JSON.stringify(result.profile));
    renameSync(`${file}.part`, file);
  });
});
