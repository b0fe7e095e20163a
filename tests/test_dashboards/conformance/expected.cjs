// What Grafana writes, and in which colours: asked of its own library, written to expected.json.
//
//   npm install --ignore-scripts --prefix /tmp/grafana-data @grafana/data@12.3.0
//   NODE_PATH=/tmp/grafana-data/node_modules node tests/test_dashboards/conformance/expected.cjs
//
// The cases are those of cases.json, and the field settings of all dashboards in grafana/dashboards.
// To be run again when a dashboard's settings changed; the test says so.

process.env.TZ = 'UTC';
process.env.NODE_ENV = 'production';
require('./browser.cjs');
const fs = require('fs');
const path = require('path');
const grafana = require('@grafana/data');
const tinycolor = require('tinycolor2');
const uPlot = require('uplot');

const here = __dirname;
const boards = path.join(here, '..', '..', '..', 'grafana', 'dashboards');
const cases = JSON.parse(fs.readFileSync(path.join(here, 'cases.json'), 'utf8'));
const themes = ['dark', 'light'].map((mode) => grafana.createTheme({ colors: { mode } }));
const settings = ['unit', 'decimals', 'min', 'max', 'noValue', 'color', 'thresholds', 'mappings', 'displayName'];
const singles = ['stat', 'bargauge', 'gauge'];
const shown = [...singles, 'table', 'state-timeline'];

Date.now = () => cases.now;

// JSON has no NaN and no Infinity: they are {"number": "NaN"}.
const decoded = (value) => (value && value.number ? Number(value.number) : value);
const encoded = (value) => (Number.isFinite(value) || typeof value !== 'number' ? (value ?? null) : { number: `${value}` });
const hex = (colour) => tinycolor(colour).toHex8String().replace(/ff$/, '');
const text = (display) => grafana.formattedValueToString(display);

// The registry of the application, which the library leaves empty.
const numbersOnly = (field) => field.type === grafana.FieldType.number;
const always = () => true;
const property = (id, process, shouldApply = always) => ({ id, path: id, name: id, process, shouldApply });
const registry = new grafana.Registry(() => [
  property('displayName', grafana.displayNameOverrideProcessor),
  property('unit', grafana.stringOverrideProcessor),
  property('min', grafana.numberOverrideProcessor, numbersOnly),
  property('max', grafana.numberOverrideProcessor, numbersOnly),
  property('decimals', grafana.numberOverrideProcessor, numbersOnly),
  property('noValue', grafana.stringOverrideProcessor),
  property('color', grafana.identityOverrideProcessor),
  property('mappings', grafana.valueMappingsOverrideProcessor, (field) => field.type !== grafana.FieldType.time),
  property('thresholds', grafana.thresholdsOverrideProcessor),
]);

// As a panel of this kind has them after Grafana loaded it: its own defaults, and a first threshold
// that is below everything.
const loaded = (kind, config) => {
  const modes = { timeseries: 'palette-classic', 'state-timeline': 'continuous-GrYlRd' };
  const fixed = (thresholds) => ({
    mode: 'absolute',
    ...thresholds,
    steps: thresholds.steps.map((step, index) => (index ? step : { ...step, value: -Infinity })),
  });
  const standard = { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] };
  const defaults = { ...config.defaults };
  defaults.thresholds = fixed(defaults.thresholds ?? standard);
  defaults.color = { mode: modes[kind] ?? 'thresholds', ...defaults.color };
  const overrides = (config.overrides ?? []).map((each) => ({
    ...each,
    properties: each.properties.map((one) =>
      one.id === 'thresholds' ? { ...one, value: fixed(one.value) } : one
    ),
  }));
  return { defaults, overrides };
};

const applied = (kind, config, frames, theme) =>
  grafana.applyFieldOverrides({
    data: frames,
    fieldConfig: loaded(kind, config),
    fieldConfigRegistry: registry,
    replaceVariables: (value) => value,
    theme,
    timeZone: 'utc',
  });

// Each pair of colours, dark and light, once.
const colours = [];
const colour = (pair) => {
  const found = colours.findIndex((each) => each.join() === pair.join());
  return found < 0 ? colours.push(pair) - 1 : found;
};
// The library keeps the colours between which it blends for the theme that asked first.
const eachTheme = (ask) =>
  themes.map((theme) => {
    grafana.fieldColorModeRegistry.list().forEach((mode) => delete mode.interpolator);
    return ask(theme);
  });
const cell = (value, displays) => [encoded(value), text(displays[0]), colour(displays.map((each) => hex(each.color)))];

const kindsOf = { number: grafana.FieldType.number, string: grafana.FieldType.string, time: grafana.FieldType.time };

// The cells of one field called `name`: all values of the panel are in it, so that the range is theirs.
const cells = (panel, config, name, kind, values) => {
  const displays = eachTheme((theme) => {
    if (kind === 'other') {
      const field = { name, type: grafana.FieldType.other, config: loaded(panel, config).defaults };
      const display = grafana.getDisplayProcessor({ field, theme, timeZone: 'utc' });
      return values.map((value) => display(value));
    }
    const frame = grafana.toDataFrame({ fields: [{ name, type: kindsOf[kind], values }] });
    frame.fields[0].type = kindsOf[kind];
    const [field] = applied(panel, config, [frame], theme)[0].fields;
    return values.map((value) => field.display(value));
  });
  return values.map((value, index) => cell(value, displays.map((all) => all[index])));
};

// The values at which a panel's settings change what is shown.
const critical = (config) => {
  const found = [null, NaN, 0, 1, 0.5, 1234.5];
  const all = [config.defaults, ...config.overrides.map((each) => Object.fromEntries(each.properties.map((one) => [one.id, one.value])))];
  for (const each of all) {
    for (const step of each.thresholds?.steps ?? []) {
      if (step.value !== null && step.value !== undefined) {
        const near = Math.abs(step.value) * 1e-6 || 1e-6;
        found.push(step.value - near, step.value, step.value + near);
      }
    }
    for (const mapping of each.mappings ?? []) {
      if (mapping.type === 'value') {
        found.push(...Object.keys(mapping.options).filter((key) => key !== '' && !isNaN(key)).map(Number));
      } else if (mapping.type === 'range') {
        for (const end of [mapping.options.from, mapping.options.to]) {
          if (typeof end === 'number') {
            found.push(end - 1e-6, end, end + 1e-6);
          }
        }
      }
    }
  }
  return [...new Set(found)];
};
const words = (config) => {
  const found = [null, '', 'some text', '7'];
  for (const each of [config.defaults, ...config.overrides.flatMap((one) => one.properties.map((p) => ({ [p.id]: p.value })))]) {
    for (const mapping of each.mappings ?? []) {
      if (mapping.type === 'value') {
        found.push(...Object.keys(mapping.options));
      }
    }
  }
  return [...new Set(found)];
};

const kept = (config) => ({
  defaults: Object.fromEntries(settings.filter((id) => config?.defaults?.[id] !== undefined).map((id) => [id, config.defaults[id]])),
  overrides: (config?.overrides ?? [])
    .map((each) => ({ matcher: each.matcher, properties: each.properties.filter((one) => settings.includes(one.id)) }))
    .filter((each) => each.properties.length),
});

const allPanels = (list) => list.flatMap((panel) => [panel, ...allPanels(panel.panels ?? [])]);

const panels = [...cases.panels];
const boardPanels = [];
const units = new Set();
for (const file of fs.readdirSync(boards).filter((name) => name.endsWith('.json')).sort()) {
  for (const panel of allPanels(JSON.parse(fs.readFileSync(path.join(boards, file), 'utf8')).panels)) {
    const config = kept(panel.fieldConfig);
    boardPanels.push(panel);
    for (const each of [config.defaults, ...config.overrides.flatMap((one) => one.properties.map((p) => ({ [p.id]: p.value })))]) {
      if (each.unit && !each.unit.startsWith('dateTime')) {
        units.add(each.unit);
      }
    }
    if (!shown.includes(panel.type)) {
      continue;
    }
    const calcs = singles.includes(panel.type) ? (panel.options?.reduceOptions?.calcs ?? []) : undefined;
    const one = { kind: panel.type, config, ...(calcs && { calcs }) };
    if (!panels.some((each) => JSON.stringify(each) === JSON.stringify(one))) {
      panels.push(one);
    }
  }
}

const seriesFrame = (name, values) => {
  const frame = grafana.toDataFrame({
    fields: [
      { name: 'Time', type: grafana.FieldType.time, values: values.map((_, index) => cases.now - (values.length - index) * 60000) },
      { name: 'Value', type: grafana.FieldType.number, values, config: { displayNameFromDS: name } },
    ],
  });
  frame.fields.forEach((field, index) => (field.type = index ? grafana.FieldType.number : grafana.FieldType.time));
  return frame;
};

// What a panel of single values shows of series, by name.
const single = (panel, series) => {
  const displays = eachTheme((theme) =>
    grafana.getFieldDisplayValues({
      data: applied(panel.kind, panel.config, series.map(([name, values]) => seriesFrame(name, values)), theme),
      fieldConfig: loaded(panel.kind, panel.config),
      reduceOptions: { calcs: panel.calcs, values: false, fields: '' },
      replaceVariables: (value) => value,
      theme,
      timeZone: 'utc',
    })
  );
  return displays[0].map((each, index) => [
    text(each.display),
    colour(displays.map((one) => hex(one[index].display.color))),
  ]);
};

const namesOf = (config) => [
  ...new Set(['another', ...config.overrides.filter((each) => each.matcher.id === 'byName').map((each) => each.matcher.options)]),
];

for (const panel of panels) {
  const values = critical(panel.config);
  panel.cells = {};
  for (const name of namesOf(panel.config)) {
    panel.cells[name] = { number: cells(panel.kind, panel.config, name, 'number', values) };
    if (panel.kind === 'table') {
      panel.cells[name].string = cells(panel.kind, panel.config, name, 'string', words(panel.config));
      panel.cells[name].time = cells(panel.kind, panel.config, name, 'time', [null, 1764000000000, 1763990000000]);
    }
  }
  if (panel.calcs) {
    const names = namesOf(panel.config);
    const data = [
      [],
      [['another', []]],
      [['another', [null]]],
      [['another', [NaN, NaN]]],
      [['another', [null, 3, NaN]]],
      names.map((name, index) => [name, [index, index + 0.5]]),
      ...values.map((value) => [['another', [1, value]]]),
    ];
    panel.shown = data.map((series) => ({
      series: series.map(([name, all]) => [name, all.map(encoded)]),
      shows: single(panel, series),
    }));
  }
}

// Tables: what the data source makes of instant queries, after a panel's transformations.
grafana.standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(grafana.standardTransformers).map((each) => [each.id, each])).values()].map((transformation) => ({ id: transformation.id, name: transformation.id, transformation }))
);
const instantFrames = (queries) =>
  queries.map(({ ref, rows }) => {
    const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
    const field = (name, type, all) => ({ name, type, config: {}, values: all });
    return {
      refId: ref,
      length: rows.length,
      fields: [
        field('Time', grafana.FieldType.time, rows.map(() => cases.now)),
        ...labels.map((label) => field(label, grafana.FieldType.string, rows.map((row) => row.labels[label] ?? ''))),
        field(queries.length > 1 ? `Value #${ref}` : 'Value', grafana.FieldType.number, rows.map((row) => row.value)),
      ],
    };
  });
const transformed = ({ queries, transformations }) => {
  let frames;
  const asked = transformations.filter((each) => !each.disabled);
  grafana.transformDataFrame(asked, instantFrames(queries), { interpolate: (value) => value }).subscribe((all) => (frames = all));
  const [frame] = frames;
  return {
    columns: frame.fields.map((field) => grafana.getFieldDisplayName(field, frame, frames)),
    rows: [...Array(frame.length).keys()].map((row) => frame.fields.map((field) => encoded(field.values[row] ?? null))),
  };
};
const tables = [...cases.tables];
for (const panel of boardPanels.filter((each) => each.type === 'table')) {
  const transformations = panel.transformations ?? [];
  const named = transformations.flatMap((each) => [each.options?.indexByName, each.options?.renameByName, each.options?.excludeByName]);
  const columns = [...new Set(named.flatMap((each) => Object.keys(each ?? {})))];
  const labels = columns.filter((name) => !/^(Value( #.)?|Time)$/.test(name));
  const queries = panel.targets.map((target, index) => ({
    ref: target.refId,
    rows: [0, 1, 2, 3]
      .filter((row) => !(index === 1 && row === 2) && index !== 2)
      .map((row) => ({
        labels: Object.fromEntries(labels.filter((_, at) => !(row === 3 && at === 1)).map((label) => [label, `${label} ${row}`])),
        value: index * 10 + row + 0.5,
      })),
  }));
  const one = { queries, transformations };
  if (!tables.some((each) => JSON.stringify(each) === JSON.stringify(one))) {
    tables.push(one);
  }
}

const values = cases.values.map(decoded);
const allUnits = [...new Set([...cases.units, ...units])];
const result = {
  grafana: require('@grafana/data/package.json').version,
  now: cases.now,
  formats: allUnits.flatMap((unit) =>
    cases.decimals.map((decimals) => ({
      unit,
      decimals,
      texts: values.map((value) => text(grafana.getValueFormat(unit || 'none')(value, decimals ?? undefined, null, 'utc'))),
    }))
  ),
  values: cases.values,
  times: cases.times.map(({ unit, values: all }) => ({
    unit,
    cells: all.map((value) => [value, text(grafana.getValueFormat(unit)(value, undefined, null, 'utc'))]),
  })),
  ticks: cases.ticks.map(({ unit, at, decimals }) => {
    const display = grafana.getDisplayProcessor({
      field: { name: 'x', type: grafana.FieldType.number, config: { unit } },
      theme: themes[0],
    });
    return { unit, at, texts: decimals.map((each) => [each, at.map((value) => text(display(value, each)))]) };
  }),
  fields: cases.fields.map(({ config, kinds, values: all }) => ({
    config,
    cells: Object.fromEntries(
      kinds.map((kind) => {
        const fitting = kind === 'time' ? all.filter((value) => typeof value !== 'string') : all;
        return [kind, cells('stat', { defaults: config, overrides: [] }, 'x', kind, fitting.map(decoded))];
      })
    ),
  })),
  series: cases.series.map((series) => {
    const all = series.map(decoded);
    const results = {};
    for (const reducer of cases.reducers) {
      const field = { name: 'x', type: grafana.FieldType.number, config: {}, values: all };
      results[reducer] = encoded(grafana.reduceField({ field, reducers: [reducer] })[reducer]);
    }
    return { values: series, results };
  }),
  axes: cases.axes.map(({ values: [least, most], soft = [null, null], hard = [null, null] }) => {
    // As packages/grafana-ui/src/components/uPlot/config/UPlotScaleBuilder.ts asks for it.
    const only = hard.map((limit, side) => (soft[side] === null ? limit : null));
    const side = (index, none) => ({
      pad: 0.1,
      hard: hard[index] ?? none,
      soft: soft[index] ?? 0,
      mode: soft[index] === null ? 3 : 1,
    });
    let range = uPlot.rangeNum(only[0] ?? least, only[1] ?? most, { min: side(0, -Infinity), max: side(1, Infinity) });
    range = range.map((end, index) => only[index] ?? end);
    return { values: [least, most], soft, hard, range: range[0] >= range[1] ? [0, 100] : range };
  }),
  tables: tables.map((each) => ({ ...each, ...transformed(each) })),
  panels,
  colours,
};
const lines = Object.entries(result).map(([key, value]) =>
  Array.isArray(value) && typeof value[0] === 'object' && key !== 'values' && key !== 'colours'
    ? `"${key}": [\n${value.map((each) => JSON.stringify(each)).join(',\n')}\n]`
    : `"${key}": ${JSON.stringify(value)}`
);
fs.writeFileSync(path.join(here, 'expected.json'), `{\n${lines.join(',\n')}\n}\n`);
