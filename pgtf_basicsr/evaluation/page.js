'use strict';

// All of the page is made here, of the block `contents`; see `_contents` in page.py for what that holds.  Names in it
// come from file systems and are never read as markup: text goes into the page as text nodes and attributes only.

const contents = JSON.parse(document.getElementById('contents').textContent);
const { metrics, datasets } = contents;
const COLOURS = 6;
const DASHES = ['', '7 3', '2 3'];
const DOT = 'm-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0 -3 0';
const CHART_HEIGHT = 280;
const SMALLEST_PICTURE = 480;
const SMALLEST_COLUMN = 240;
const MARGIN = { left: 58, right: 14, top: 28, bottom: 40 };

// Numbers

function number(value) {
  return value === null || value === undefined ? NaN : Number(value);
}

function shown(value, decimals) {
  if (Number.isNaN(value)) return '–';
  const digits = Number.isFinite(value) ? Math.abs(value).toFixed(decimals) : '∞';
  return (value < 0 && /[1-9∞]/.test(digits) ? '−' : '') + digits;
}

function plural(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

// As many decimals as give four or five digits in the column of a metric.
function decimalsOf(metric) {
  let largest = 0;
  for (const { series } of datasets) {
    for (const { means, scores } of series) {
      for (const value of [means, ...scores].map((row) => Math.abs(number(row[metric])))) {
        if (Number.isFinite(value)) largest = Math.max(largest, value);
      }
    }
  }
  return [1, 10, 100].filter((bound) => largest < bound).length + 1;
}

metrics.forEach((metric, index) => {
  metric.index = index;
  metric.decimals = decimalsOf(index);
});

// Negative if a is better than b.
function compareScores(metric, a, b) {
  return metric.better === 'lower' ? a - b : b - a;
}

// What the best of some values looks like; undefined if nothing can be said to be the best.
function bestShown(dataset, metric, values) {
  const known = values.filter((value) => !Number.isNaN(value));
  if (!dataset.isOneTest || !metric.comparable || known.length < 2) return undefined;
  return shown(known.sort((a, b) => compareScores(metric, a, b))[0], metric.decimals);
}

// Elements

function element(name, attributes = {}, ...children) {
  return furnished(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return furnished(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function furnished(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Long names of clips and runs break after the signs that such names are put together with.
function breakable(name) {
  return name.split(/(?<=[+_\-/.])/).flatMap((part, index) => (index ? [element('wbr'), part] : [part]));
}

function scoreCell(metric, value, best) {
  const text = shown(value, metric.decimals);
  return element('td', {}, text === best ? element('strong', {}, text) : text);
}

function arrow(metric) {
  const [sign, meaning] = metric.better === 'lower' ? ['↓', 'lower is better'] : ['↑', 'higher is better'];
  return element('span', { class: 'arrow', role: 'img', 'aria-label': meaning, title: meaning }, sign);
}

function metricTitle(metric) {
  const parts = [metric.title, ' ', arrow(metric)];
  if (metric.marks.length) parts.push(element('sup', {}, metric.marks.join(', ')));
  return parts;
}

function unitOf(metric) {
  return element('span', { class: 'unit' }, metric.unit || '\u00a0');
}

// What a series is called, and how it is drawn, among those of its dataset.
function dress(series) {
  const several = series.filter(({ side }) => side === 'degraded').length > 1;
  const counts = { degraded: 0, restored: 0 };
  for (const one of series) {
    const count = counts[one.side]++;
    one.label = one.run;
    if (one.side === 'degraded') one.label = several ? `degraded input of ${one.run}` : 'degraded input';
    one.colour = one.side === 'degraded' ? 'degraded' : `colour-${count % COLOURS}`;
    one.dashes = one.side === 'degraded' ? `3 ${3 + 2 * count}` : DASHES[Math.floor(count / COLOURS) % DASHES.length];
  }
}

function lineOf(series, attributes) {
  return drawn('path', { class: `line ${series.colour}`, 'stroke-dasharray': series.dashes, ...attributes });
}

function swatch(series) {
  return drawn('svg', { class: 'swatch', width: 26, height: 10, 'aria-hidden': 'true' },
    lineOf(series, { d: 'M1 5H25' }));
}

// Means

function meansTable() {
  const table = element('table', { class: 'means' }, element('thead', {}, element('tr', {},
    element('th', { scope: 'col' }, 'Run'),
    ...metrics.map((metric) => element('th', { scope: 'col' }, ...metricTitle(metric), unitOf(metric))))));
  for (const dataset of datasets) {
    const best = metrics.map((metric) => (
      bestShown(dataset, metric, dataset.series.map(({ means }) => number(means[metric.index])))));
    const body = element('tbody', {}, element('tr', { class: 'group' },
      element('th', { scope: 'rowgroup', colspan: metrics.length + 1 }, element('span', {}, dataset.name,
        element('span', { class: 'aside' }, plural(dataset.clips.length, 'clip')),
        ...protocolOf(dataset)))));
    for (const series of dataset.series) {
      const row = element('tr', { class: series.side }, element('th', { scope: 'row' }, ...breakable(series.label)));
      for (const metric of metrics) {
        const cell = scoreCell(metric, number(series.means[metric.index]), best[metric.index]);
        const count = series.counts[metric.index];
        if (count > 0 && count < dataset.clips.length) {
          cell.append(element('span', { class: 'count' }, `${count} of ${plural(dataset.clips.length, 'clip')}`));
        }
        row.append(cell);
      }
      body.append(row);
    }
    table.append(body);
  }
  return table;
}

// What the clips were made by; a warning where that is not the same in all runs.
function protocolOf({ protocol, isOneTest }) {
  if (!protocol) return [];
  return [element('span', { class: isOneTest ? 'aside' : 'mixed' }, protocol)];
}

function notesList() {
  return element('ul', { class: 'notes' }, ...contents.notes.map(({ mark, text }) => (
    element('li', {}, element('sup', {}, mark), ' ', text))));
}

// Tables of texts

function textTable({ title, rows: [heading, ...rows], notes }, isFolded) {
  // Numbers and intervals are flush right, a column with anything else flush left.
  const classes = heading.map((_, index) => (rows.every((row) => /^[[+−\-–∞\d]/.test(row[index])) ? '' : 'words'));
  const cells = (row) => row.map((text, index) => (
    index ? element('td', { class: classes[index] }, text) : element('th', { scope: 'row' }, text)));
  const headings = heading.map((text, index) => element('th', { scope: 'col', class: classes[index] }, text));
  const table = element('table', { class: 'texts' },
    element('thead', {}, element('tr', {}, ...headings)),
    element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells(row)))));
  const parts = [scrolling(title, table), ...textList(notes)];
  if (isFolded) return element('details', {}, element('summary', {}, title), ...parts);
  return element('div', {}, element('h3', {}, title), ...parts);
}

function textList(notes) {
  return notes.length ? [element('ul', { class: 'notes' }, ...notes.map((note) => element('li', {}, note)))] : [];
}

function textSection({ title, tables, text, notes }) {
  return element('section', { 'aria-label': title }, element('h2', {}, title),
    ...(text ? [element('p', { class: 'aside' }, text)] : []),
    ...tables.map((table) => textTable(table, tables.length > 1)),
    ...textList(notes));
}

// A box in which something wide scrolls; it takes the focus so that arrow keys scroll it.
function scrolling(label, ...children) {
  return element('div', { class: 'scrolling', role: 'region', tabindex: 0, 'aria-label': label }, ...children);
}

// Clips of a dataset

class ClipsTable {
  constructor(dataset) {
    this.dataset = dataset;
    this.node = element('table', { class: 'clips' });
    this.selected = null;
    this.build(false);
    this.node.addEventListener('click', (event) => {
      // Links handle clicks themselves.
      const row = event.target.closest('tbody tr');
      if (row && !event.target.closest('a')) location.hash = row.querySelector('a').hash;
    });
    this.node.addEventListener('keydown', (event) => {
      const way = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
      const link = way && event.target.closest('tbody tr')?.[way]?.querySelector('a');
      if (!link) return;
      event.preventDefault();
      link.focus();
      location.replace(link.hash);
    });
  }

  build(withDegraded) {
    const { clips, series } = this.dataset;
    const columns = series.filter(({ side }) => withDegraded || side === 'restored');
    const measured = metrics.filter(({ index }) => columns.some(({ scores }) => (
      scores.some((row) => !Number.isNaN(number(row[index]))))));
    this.columns = [
      { title: ['Clip'], value: (clip) => clips[clip].name },
      { title: ['Frames'], value: (clip) => clips[clip].frames },
    ];
    const grouped = columns.length > 1;
    const [upper, lower] = [element('tr'), element('tr')];
    upper.append(...this.columns.map((column) => this.header(column, { rowspan: grouped ? 2 : 1 })));
    for (const metric of measured) {
      const made = columns.map(({ label, scores }) => (
        { title: breakable(label), metric, value: (clip) => number(scores[clip][metric.index]) }));
      this.columns.push(...made);
      if (grouped) {
        const title = [...metricTitle(metric), ' ', unitOf(metric)];
        upper.append(element('th', { scope: 'colgroup', colspan: columns.length }, ...title));
        lower.append(...made.map((column) => this.header(column)));
      } else {
        upper.append(this.header(Object.assign(made[0], { title: metricTitle(metric), unit: unitOf(metric) })));
      }
    }
    this.rows = clips.map((clip, index) => this.row(index, measured, columns));
    this.body = element('tbody', {}, ...this.rows);
    this.node.replaceChildren(element('thead', {}, upper, ...(grouped ? [lower] : [])), this.body);
    this.select(this.selected);
  }

  header(column, attributes = {}) {
    const button = element('button', { type: 'button' }, ...column.title);
    button.addEventListener('click', () => this.sort(column));
    column.node = element('th', { scope: 'col', 'aria-sort': 'none', ...attributes }, button);
    if (column.unit) column.node.append(column.unit);
    return column.node;
  }

  row(clip, measured, columns) {
    const { name, frames } = this.dataset.clips[clip];
    const href = `#${[this.dataset.name, name].map(encodeURIComponent).join('/')}`;
    const row = element('tr', {},
      element('th', { scope: 'row' }, element('a', { href }, ...breakable(name))),
      element('td', {}, frames));
    for (const metric of measured) {
      const values = columns.map(({ scores }) => number(scores[clip][metric.index]));
      const best = bestShown(this.dataset, metric, values);
      row.append(...values.map((value, index) => {
        const cell = scoreCell(metric, value, best);
        cell.className = columns[index].side;
        return cell;
      }));
    }
    return row;
  }

  // By a column; first click: names and numbers of frames rising, scores from the worst; nan is last either way.
  sort(column) {
    const { metric, node, value } = column;
    const before = node.getAttribute('aria-sort');
    const first = metric?.better === 'lower' ? 'descending' : 'ascending';
    const direction = before === 'none' ? first : { ascending: 'descending', descending: 'ascending' }[before];
    for (const other of this.columns) other.node.setAttribute('aria-sort', other === column ? direction : 'none');
    const sign = direction === 'ascending' ? 1 : -1;
    const order = this.rows.map((row, clip) => ({ row, key: value(clip) }));
    order.sort(({ key: a }, { key: b }) => {
      if (typeof a === 'string') return sign * a.localeCompare(b, 'en', { numeric: true });
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return a === b ? 0 : sign * (a < b ? -1 : 1);
    });
    this.body.append(...order.map(({ row }) => row));
  }

  select(clip) {
    this.selected = clip;
    this.rows.forEach((row, index) => {
      row.classList.toggle('selected', index === clip);
      const link = row.querySelector('a');
      if (index === clip) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
  }
}

// Curves over time

// Round numbers 1, 2 or 5 times a power of ten apart, about as many as wanted.
function ticks(low, high, wanted, smallest = 0) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(smallest, power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)));
  const first = Math.ceil(low / step - 1e-9);
  const length = Math.floor(high / step + 1e-9) - first + 1;
  const values = Array.from({ length }, (_, index) => (first + index) * step);
  return { values, decimals: Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) };
}

class Chart {
  constructor() {
    this.svg = drawn('svg', { class: 'chart', role: 'img', tabindex: 0, height: CHART_HEIGHT });
    this.table = element('table', { class: 'legend' });
    this.node = element('div', {}, this.svg, scrolling('Curves', this.table));
    this.cursor = null;
    this.svg.addEventListener('pointermove', (event) => this.point(this.frameAt(event.offsetX)));
    this.svg.addEventListener('pointerdown', (event) => this.point(this.frameAt(event.offsetX)));
    this.svg.addEventListener('pointerleave', (event) => {
      // Touch screens: the numbers stay, because the finger hides them until it leaves.
      if (event.pointerType === 'mouse') this.point(null);
    });
    this.svg.addEventListener('blur', () => this.point(null));
    this.svg.addEventListener('keydown', (event) => {
      const last = this.length - 1;
      const from = this.cursor ?? 0;
      const frame = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
      if (frame === undefined || !this.curves) return;
      event.preventDefault();
      this.point(Math.min(last, Math.max(0, frame)));
    });
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  // Pairs of a series and its numbers, a score of each, and how many frames the clip has.
  show(metric, curves, length) {
    Object.assign(this, { metric, curves, length, cursor: null });
    this.fillTable();
    this.draw();
  }

  x(frame) {
    const span = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + (this.length > 1 ? frame / (this.length - 1) : 0.5) * span;
  }

  frameAt(x) {
    const span = this.width - MARGIN.left - MARGIN.right;
    const frame = Math.round((x - MARGIN.left) / span * (this.length - 1));
    return Math.min(this.length - 1, Math.max(0, frame));
  }

  draw() {
    this.width = this.svg.clientWidth;
    if (!this.curves || !this.width) return;
    const finite = this.curves.flatMap(({ values }) => values.filter(Number.isFinite));
    let [low, high] = finite.length ? [finite[0], finite[0]] : [0, 1];
    for (const value of finite) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    [low, high] = [low - room, high + room];
    const bottom = CHART_HEIGHT - MARGIN.bottom;
    const right = this.width - MARGIN.right;
    const y = (value) => bottom - (value - low) / (high - low) * (bottom - MARGIN.top);
    this.y = y;
    const { title, unit, better } = this.metric;
    const heading = `${title}${unit && ` in ${unit}`}, ${better} is better`;
    this.svg.setAttribute('aria-label', `Curves over frames: ${heading}. The arrow keys move through the frames.`);
    this.svg.replaceChildren(drawn('text', { x: 2, y: 14 }, heading));
    const upright = ticks(low, high, 5);
    for (const value of upright.values) {
      this.svg.append(
        drawn('path', { class: 'grid', d: `M${MARGIN.left} ${y(value)}H${right}` }),
        drawn('text', { x: MARGIN.left - 8, y: y(value), dy: '0.32em', 'text-anchor': 'end' },
          shown(value, upright.decimals)));
    }
    for (const frame of ticks(0, Math.max(1, this.length - 1), Math.max(2, Math.floor(this.width / 90)), 1).values) {
      if (frame >= this.length) continue;
      this.svg.append(
        drawn('path', { class: 'tick', d: `M${this.x(frame)} ${bottom}v5` }),
        drawn('text', { x: this.x(frame), y: bottom + 18, 'text-anchor': 'middle' }, String(frame)));
    }
    this.svg.append(
      drawn('path', { class: 'axis', d: `M${MARGIN.left} ${bottom}H${right}` }),
      drawn('text', { x: right, y: bottom + 34, 'text-anchor': 'end' }, 'frame, from 0'));
    for (const { series, values } of this.curves) {
      this.svg.append(lineOf(series, { d: this.path(values, y) }));
    }
    this.marks = drawn('g');
    this.svg.append(this.marks);
    this.point(this.cursor);
  }

  // With gaps where there is no number, and a dot for a frame between two gaps.
  path(values, y) {
    return values.map((value, frame) => {
      if (!Number.isFinite(value)) return '';
      const [before, after] = [values[frame - 1], values[frame + 1]].map(Number.isFinite);
      const at = `${this.x(frame).toFixed(1)} ${y(value).toFixed(1)}`;
      return `${before ? 'L' : 'M'}${at}${before || after ? '' : DOT}`;
    }).join('');
  }

  fillTable() {
    const { metric, curves } = this;
    this.readHeading = element('th', { scope: 'col' });
    const titles = ['Whole clip', 'Worst', 'at frame'].map((title) => element('th', { scope: 'col' }, title));
    const body = curves.map((curve) => {
      const worst = curve.values.reduce((found, value, frame) => {
        if (Number.isNaN(value)) return found;
        return found === null || compareScores(metric, value, curve.values[found]) > 0 ? frame : found;
      }, null);
      curve.readOut = element('td');
      return element('tr', {},
        element('th', { scope: 'row' }, element('span', { class: 'label' }, swatch(curve.series),
          element('span', {}, ...breakable(curve.series.label)))),
        curve.readOut,
        element('td', {}, shown(curve.score, metric.decimals)),
        element('td', {}, shown(worst === null ? NaN : curve.values[worst], metric.decimals)),
        element('td', {}, worst === null ? '–' : String(worst)));
    });
    this.table.replaceChildren(
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Curve'), this.readHeading, ...titles)),
      element('tbody', {}, ...body));
    this.point(null);
  }

  // Read the curves at a frame, or nowhere.
  point(frame) {
    this.cursor = frame;
    if (!this.curves) return;
    this.readHeading.textContent = `Frame ${frame ?? '–'}`;
    for (const { values, readOut } of this.curves) {
      readOut.textContent = shown(number(values[frame]), this.metric.decimals);
    }
    if (!this.marks) return;
    this.marks.replaceChildren();
    if (frame === null) return;
    const rule = `M${this.x(frame)} ${MARGIN.top}V${CHART_HEIGHT - MARGIN.bottom}`;
    this.marks.append(drawn('path', { class: 'cursor', d: rule }));
    for (const { series, values } of this.curves) {
      if (!Number.isFinite(values[frame])) continue;
      const [cx, cy] = [this.x(frame), this.y(values[frame])];
      this.marks.append(drawn('circle', { class: series.colour, cx, cy, r: 3.5 }));
    }
  }
}

// Pictures

function figure(kind, name, label, smallest) {
  const stored = document.getElementById(`picture-${name}`);
  const caption = element('figcaption', {}, ...breakable(label));
  if (!stored) return element('figure', {}, caption, element('p', { class: 'aside' }, 'This picture was not found.'));
  const { width, height } = stored.dataset;
  const factor = Math.max(1, Math.floor(smallest / width));
  const image = element('img', {
    class: factor > 1 ? `${kind} enlarged` : kind,
    width: factor * width,
    height: factor * height,
    alt: `${label}, ${kind}`,
    src: `data:image/jpeg;base64,${stored.textContent}`,
  });
  const attributes = { type: 'button', class: 'picture', 'aria-pressed': false, title: 'Enlarge' };
  const button = element('button', attributes, image);
  button.addEventListener('click', () => {
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') === 'false'));
  });
  return element('figure', {}, caption, button);
}

// A dataset's clips, and the one that is selected

class Section {
  constructor(dataset) {
    this.dataset = dataset;
    dress(dataset.series);
    this.table = new ClipsTable(dataset);
    this.title = element('h3', { 'aria-live': 'polite' });
    this.about = element('p', { class: 'aside' });
    this.select = element('select');
    this.select.addEventListener('change', () => this.showCurves());
    this.choice = element('p', {}, element('label', {}, 'Curves of ', this.select));
    this.chart = new Chart();
    this.pictures = element('div');
    const degraded = element('input', { type: 'checkbox' });
    degraded.addEventListener('change', () => this.table.build(degraded.checked));
    const tools = element('p', { class: 'tools' });
    if (dataset.series.some(({ side }) => side === 'degraded')) {
      tools.append(element('label', {}, degraded, ' degraded input as well'));
    }
    const clip = element('article', {}, this.title, this.about, this.choice, this.chart.node, this.pictures);
    clip.hidden = !dataset.clips.length;
    this.node = element('section', { 'aria-label': `Clips of ${dataset.name}` },
      element('h2', {}, 'Clips', ...(datasets.length > 1 ? [` of ${dataset.name}`] : [])),
      tools,
      scrolling('Clips', this.table.node),
      clip);
  }

  // The clip that a hash names, or -1.
  clipOf(hash) {
    return this.dataset.clips.findIndex(({ name }) => hash === `${this.dataset.name}/${name}`);
  }

  show(clip) {
    this.clip = clip;
    this.table.select(clip);
    const { name, frames } = this.dataset.clips[clip];
    this.title.replaceChildren(...breakable(name));
    this.about.textContent = plural(frames, 'frame');
    const measured = metrics.filter(({ index }) => (
      this.dataset.series.some(({ curves }) => curves[clip][index].length)));
    const before = this.select.value;
    this.select.replaceChildren(...measured.map(({ index, title }) => element('option', { value: index }, title)));
    if (measured.some(({ index }) => String(index) === before)) this.select.value = before;
    this.choice.hidden = this.chart.node.hidden = !measured.length;
    if (measured.length) this.showCurves();
    this.showPictures();
  }

  showCurves() {
    const metric = metrics[this.select.value];
    const curves = this.dataset.series.filter(({ curves: all }) => all[this.clip][metric.index].length);
    this.chart.show(metric, curves.map((series) => ({
      series,
      values: series.curves[this.clip][metric.index].map(number),
      score: number(series.scores[this.clip][metric.index]),
    })), this.dataset.clips[this.clip].frames);
  }

  showPictures() {
    const { sideBySide, shared } = this.dataset;
    const of = (label) => (label in shared ? [{ label, pictures: shared[label] }] : []);
    const shown = [
      ...of('degraded input'), ...this.dataset.series.filter(({ pictures }) => pictures), ...of('ground truth')];
    const { frames } = this.dataset.clips[this.clip];
    const numbers = [...new Set([0, Math.floor(frames / 2), frames - 1])].join(', ');
    this.pictures.replaceChildren();
    for (const [kind, title] of [['frames', `Frames ${numbers}`], ['slices', 'Slices through time']]) {
      const figures = shown.filter(({ pictures }) => kind in pictures[this.clip]).map(({ label, pictures }) => (
        figure(kind, pictures[this.clip][kind], label, sideBySide ? SMALLEST_COLUMN : SMALLEST_PICTURE)));
      if (!figures.length) continue;
      const caption = [contents.captions[kind], ...(sideBySide ? [] : [contents.columnOrder])].join(' ');
      const side = element('div', { class: sideBySide ? 'tiles' : '' }, ...figures);
      this.pictures.append(element('h4', {}, title), element('p', { class: 'caption' }, caption), side);
    }
  }
}

// The page

function chosenHash() {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash);
  } catch {
    // Typed by hand, with a per cent sign.
    return hash;
  }
}

const sections = datasets.map((dataset) => new Section(dataset));

function showChosen() {
  for (const section of sections) {
    const clip = section.clipOf(chosenHash());
    if (clip >= 0) {
      section.show(clip);
      return section;
    }
  }
  return null;
}

document.querySelector('main').replaceChildren(
  ...contents.warnings.map((text) => element('p', { class: 'warning', role: 'alert' }, text)),
  element('section', { 'aria-label': 'Means' },
    element('h2', {}, 'Means over clips'), scrolling('Means', meansTable()), notesList()),
  ...contents.sections.map(textSection),
  ...sections.map(({ node }) => node));
for (const section of sections) if (section.dataset.clips.length) section.show(0);
showChosen()?.title.scrollIntoView();
addEventListener('hashchange', showChosen);
