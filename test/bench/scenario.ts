/** What a benchmark is: subjects that take turns at one measurement, and how their figures become ratios. */
import { best, median, round, spread } from './statistics.ts';

/**
 * Two programs joined by a tunnel. `openvpn`: with itself, which all ratios are against; `culvertd+openvpn`: its client at our gateway;
 * `openvpn+dialler`: its server, and one program of ours that holds all links;
 * `culvert+threads`: ours, with two packet threads; `culvert+pptp`: ours by PPTP, with MPPE of 128 bits without state; `culvert+l2tp`:
 * ours by L2TP/IPsec with AES-256-GCM, `culvert+l2tp-cbc`: with AES-256-CBC and HMAC-SHA-256; `strongswan`: its ESP in userspace, with
 * itself; `bare`: a relay without a cipher (`bare/relay.cc`), for what the machine's kernel allows at most.
 */
export type Subject =
  | 'openvpn'
  | 'culvert'
  | 'culvertd+openvpn'
  | 'openvpn+dialler'
  | 'culvert+threads'
  | 'culvert+pptp'
  | 'culvert+l2tp'
  | 'culvert+l2tp-cbc'
  | 'strongswan'
  | 'bare';

export interface Figure {
  /** In rows, as its unit says it. */
  readonly key: string;
  /** The ratio's name in rows. */
  readonly ratio: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly digits: number;
  /** A figure that is a ratio itself, of before and after: it is compared with nobody's. */
  readonly own?: boolean;
}

/** What a subject must reach: the least (or, where less is better, the largest) value of a key in its row. */
export type Reach = Partial<Readonly<Record<Subject, Readonly<Record<string, number>>>>>;

export interface Options {
  /** Of each measured transfer. */
  readonly seconds: number;
  readonly runs: number;
  /** Of the scenario memory; undefined: as many as it is made for. */
  readonly links: number | undefined;
  /** Of the cable between router and gateway, where a scenario has one tunnel and TCP in it. Undefined: 1500. */
  readonly pathMtu: number | undefined;
  /** Smaller loads and fewer subjects, for a check of a few seconds. */
  readonly short: boolean;
  /** Names of subjects; openvpn is always among them. Undefined: all but those of `asked`; in the short form, those with something to reach. */
  readonly only: readonly string[] | undefined;
  /** Hears of each measurement as it comes. */
  onProgress(line: string): void;
}

/** By the keys of the scenario's figures. */
export type Sample = Readonly<Record<string, number>>;

export interface Stage {
  measure(subject: Subject): Promise<Sample>;
  close(): Promise<void>;
}

export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly subjects: readonly Subject[];
  readonly figures: readonly Figure[];
  readonly reach: Reach;
  /** Keys of `reach` that are so far from it that half of it says nothing: what the short form holds them to instead. */
  readonly heldTo?: Reach;
  /** What else the figures depend on. */
  conditions(options: Options): readonly string[];
  open(options: Options): Promise<Stage>;
}

/** One subject's figures, flat: each figure's key, each ratio's, and the largest spread of a figure: (largest - smallest) / median. */
export interface Row {
  readonly scenario: string;
  readonly name: string;
  readonly spread: number;
  readonly [key: string]: number | string;
}

/** Measured where they are asked for. */
const asked: readonly Subject[] = [
  'culvert+threads',
  'openvpn+dialler',
  'culvert+pptp',
  'culvert+l2tp',
  'culvert+l2tp-cbc',
  'strongswan',
  'bare',
];

/** What was measured, in order. */
export type Samples = Map<Subject, Sample[]>;

/** Adds to `samples`. The subjects take turns, so that a noisy moment of the machine hits all of them. */
export async function measure(scenario: Scenario, options: Options, samples: Samples): Promise<void> {
  const isUsual = (name: Subject) => !asked.includes(name) && (!options.short || name in scenario.reach);
  const isChosen = (name: Subject) => name === 'openvpn' || (options.only?.includes(name) ?? isUsual(name));
  const chosen = scenario.subjects.filter(isChosen);
  const stage = await scenario.open(options);
  try {
    for (let run = 1; run <= options.runs; run++) {
      for (const subject of chosen) {
        const sample = await stage.measure(subject);
        samples.set(subject, [...(samples.get(subject) ?? []), sample]);
        options.onProgress(`${scenario.name}, run ${run}: ${subject}: ${describe(scenario.figures, sample)}`);
      }
    }
  } finally {
    await stage.close();
  }
}

/**
 * A row a subject, of the medians. The short form takes the best of each subject: what else the machine does makes every figure worse, and
 * of so few the best tells most of the subject itself.
 */
export function rowsOf({ name: scenario, figures }: Scenario, samples: Samples, { short }: Options): Row[] {
  const base = samples.get('openvpn') ?? [];
  return [...samples].map(([name, own]) => {
    const cells: Record<string, number> = {};
    const figureOf = (of: readonly Sample[], figure: Figure) =>
      short ? best(values(of, figure), figure.better) : median(values(of, figure));
    for (const figure of figures) cells[figure.key] = round(figureOf(own, figure), figure.digits);
    for (const figure of figures.filter((it) => it.own !== true))
      cells[figure.ratio] = round(figureOf(own, figure) / figureOf(base, figure), 3);
    const widest = Math.max(...figures.map((figure) => spread(values(own, figure))));
    return { scenario, name, ...cells, spread: round(widest, 3) };
  });
}

/** Of what is to reach the short form holds a figure to this share. */
const SHORT_SHARE = 0.5;

/** Every way in which `rows` miss what the scenario must reach; in the short form, what that holds them to. */
export function shortfalls(scenario: Scenario, rows: readonly Row[], { short }: Pick<Options, 'short'>): string[] {
  return rows.flatMap((row) =>
    Object.entries(scenario.reach[row.name as Subject] ?? {}).flatMap(([key, reach]) => {
      const value = Number(row[key]);
      const less = scenario.figures.find((it) => it.key === key || it.ratio === key)?.better === 'less';
      const half = less ? reach / SHORT_SHARE : reach * SHORT_SHARE;
      const limit = short ? (scenario.heldTo?.[row.name as Subject]?.[key] ?? half) : reach;
      // Written so that a figure which is no number is a shortfall.
      if (less ? value <= limit : value >= limit) return [];
      return [`${row.name}: ${key} is ${value}, ${less ? 'more' : 'less'} than ${limit}`];
    }),
  );
}

function values(samples: readonly Sample[], { key }: Figure): number[] {
  return samples.map((sample) => sample[key] ?? Number.NaN);
}

function describe(figures: readonly Figure[], sample: Sample): string {
  return figures
    .map(({ key, unit, digits }) => `${key} ${(sample[key] ?? Number.NaN).toFixed(digits)} ${unit}`)
    .join(', ');
}

/** The two directions of one figure, named as in the table of issue 3: up is from the client to the office. */
export function bothDirections(figure: Omit<Figure, 'key' | 'ratio'>): Figure[] {
  return [
    { ...figure, key: 'up', ratio: 'ratioUp' },
    { ...figure, key: 'down', ratio: 'ratioDown' },
  ];
}
