// The card of yesterday's and today's quarter hours.

import { QUARTER_S, past, quarter, reading } from "./known.js"
import { draw, fill, headings, make, set } from "./nodes.js"
import {
  DATE,
  MOMENT,
  amount,
  dayBefore,
  flow,
  inZone,
  kilowatts,
  stamped,
  unix,
  zoneOf,
} from "./numbers.js"
import { find, text } from "./shared.js"

const SLOTS = 96 // quarter hours of a day, by the clock on the wall
const SLOT_MINUTES = 15
const SLOT_WIDTH = 10 // in the drawing

// This month's peak and, where it is another one, the target.
export function limits() {
  const peak = reading.monthly_power_peak_w
  const target = quarter?.target_power_w
  return { ...(peak && { peak }), ...(target && target !== peak && { target }) }
}

export function showDays(now) {
  const today = now.slice(0, 10)
  const days = { yesterday: dayBefore(today), today }
  const quarters = quartersOf(Object.values(days), zoneOf(now))
  find("days").hidden = !quarters.length
  const high = Math.max(1000, ...quarters.map((each) => each.import ?? 0), ...Object.values(limits()))
  const low = Math.max(0, ...quarters.map((each) => each.export ?? 0))
  for (const [name, day] of Object.entries(days)) {
    showDay(name, day, quarters.filter((each) => each.day === day), 1.05 * high, -1.05 * low)
  }
  showLegend(low > 0)
  showTable(quarters)
}

// What is known of the quarter hours of these days, oldest first.
function quartersOf(days, zone) {
  const { end, import_w: imports, export_w: exports, peak_w: peaks } = past.quarters
  const peakEnd = unix(reading.monthly_power_peak_timestamp)
  return peaks
    .map((peak, at) => {
      const begin = end + QUARTER_S * (at - peaks.length)
      const moment = inZone(zone, begin)
      return {
        day: moment.slice(0, 10), time: moment.slice(11), import: imports[at], export: exports[at], peak,
        isMonthPeak: begin + QUARTER_S === peakEnd,
      }
    })
    .filter((each) => days.includes(each.day) && (each.peak !== null || each.import !== null))
}

// Newest first. Made when somebody wants to see it: it is long.
function showTable(quarters) {
  const watts = (value) => (value === null ? "" : amount(value, "W"))
  const show = () => {
    if (!find("details").open) return
    headings(find("quarter-table").tHead, ["from", "import", "export", "most"])
    fill(find("quarter-table").tBodies[0], quarters.slice().reverse().map((each) => [
      stamped(`${each.day}T${each.time}:00`, MOMENT), watts(each.import), watts(each.export), watts(each.peak),
    ]))
  }
  find("details").ontoggle = show
  show()
}

function showDay(name, day, quarters, high, low) {
  find(name).hidden = !quarters.length
  const y = (watts) => (100 * (high - watts)) / (high - low)
  const steps = scale(high, low)
  const svg = draw("svg", { role: "img", viewBox: `0 0 ${SLOTS * SLOT_WIDTH} 100`, preserveAspectRatio: "none" },
    ...steps.map((watts) => level("", y(watts))),
    ...quarters.flatMap((each) => bars(each, y)),
    ...Object.entries(limits()).map(([kind, watts]) => level(kind, y(watts))))
  set(svg, { "aria-label": `${text(name)}: ${daySummary(quarters)}` })
  find(name).replaceChildren(
    make("h3", { textContent: `${text(name)}, ${stamped(`${day}T00:00:00`, DATE)}` }),
    make("div", { className: "plot" }, svg, ...steps.map((watts) => axisLabel(watts, y(watts)))),
    hours())
}

const level = (kind, y) => draw("line", { class: kind, x2: SLOTS * SLOT_WIDTH, y1: y, y2: y })

// Import upwards and export downwards from zero, each with what it is in words.
function bars({ time, import: bought, export: sold, isMonthPeak }, y) {
  const hint = [time, bought === null ? "" : flow(bought), sold ? flow(-sold) : ""].filter(Boolean).join(", ")
  const slot = (60 * Number(time.slice(0, 2)) + Number(time.slice(3))) / SLOT_MINUTES
  const bar = (kind, top, bottom) => {
    const title = draw("title", {})
    title.textContent = hint
    const box = { x: slot * SLOT_WIDTH + 1, width: SLOT_WIDTH - 2, y: top, height: bottom - top }
    return draw("rect", { class: kind, ...box }, title)
  }
  return [
    ...(bought ? [bar(isMonthPeak ? "above" : "", y(bought), y(0))] : []),
    ...(sold ? [bar("out", y(0), y(-sold))] : []),
  ]
}

function axisLabel(watts, y) {
  const words = amount(Math.abs(watts) / 1000, "kW", watts % 1000 ? 1 : 0)
  const label = make("span", { textContent: words, ariaHidden: "true" })
  label.style.top = `${y}%`
  return label
}

function hours() {
  const labels = [0, 6, 12, 18, 24].map((hour) => make("span", { textContent: hour }))
  return make("div", { className: "hours", ariaHidden: "true" }, ...labels)
}

// At most five levels, in round numbers.
function scale(high, low) {
  const step = [500, 1000, 2000, 5000, 10000, 20000].find((step) => (high - low) / step < 5) ?? 50000
  const levels = []
  for (let watts = Math.ceil(low / step) * step; watts < high; watts += step) levels.push(watts)
  return levels
}

function daySummary(quarters) {
  const known = quarters.filter((each) => each.import !== null)
  if (!known.length) return text("nothing")
  const most = known.reduce((most, each) => (each.import > most.import ? each : most))
  return text("highest", { power: kilowatts(most.import), time: most.time })
}

function showLegend(hasExport) {
  const { peak, target } = limits()
  const entries = [["", text("import")]]
  if (hasExport) entries.push(["out", text("export")])
  if (peak) entries.push(["peak", `${text("monthPeak")} ${kilowatts(peak)}`])
  if (target) entries.push(["target", `${text("target")} ${kilowatts(target)}`])
  const nodes = entries.map(([className, textContent]) => make("span", { className, textContent }))
  find("legend").replaceChildren(...nodes)
}
