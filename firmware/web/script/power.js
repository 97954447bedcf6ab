// The card of the power now: in all, by phase, and in the last hour.

import { WINDOWS, netPower, past, reading } from "./known.js"
import { fill, headings, set } from "./nodes.js"
import { amount, flow } from "./numbers.js"
import { find, put, text } from "./shared.js"

const PHASES = [1, 2, 3]
const PHASE_COLUMNS = [
  ["watts", (n) => reading[`power_l${n}_w`] ?? reading[`power_import_l${n}_w`], phaseFlow],
  ["volts", (n) => reading[`voltage_l${n}_v`], (value) => amount(value, "V")],
  ["amperes", (n) => reading[`current_l${n}_a`], (value) => amount(value, "A")],
]

export function showPower() {
  const net = netPower()
  const hasNet = net !== undefined
  const hasPhases = showPhases()
  find("power").hidden = !hasNet && !hasPhases
  put(find("watts"), hasNet ? amount(Math.abs(net), "W") : "")
  put(find("direction"), hasNet ? text(net < 0 ? "toGrid" : "fromGrid") : "")
  find("flow").className = `big ${net < 0 ? "export" : "import"}`
  put(find("tariff"), tariffWords())
}

function tariffWords() {
  const { tariff } = reading
  const name = tariffName(tariff)
  if (name) return text(name === "day" ? "dayTariff" : "nightTariff")
  return tariff === undefined ? "" : text("tariff", { number: tariff })
}

function phaseFlow(watts) {
  return watts < 0 ? flow(watts) : amount(watts, "W")
}

// Whether there is anything to show of the phases.
function showPhases() {
  const columns = PHASE_COLUMNS.filter(([, of]) => PHASES.some((n) => of(n) !== undefined))
  const rows = PHASES.filter((n) => columns.some(([, of]) => of(n) !== undefined)).map((n) => [
    `L${n}`, ...columns.map(([, of, words]) => (of(n) === undefined ? "" : words(of(n)))),
  ])
  find("phases").hidden = !rows.length
  headings(find("phases").tHead, ["phase", ...columns.map(([name]) => name)])
  fill(find("phases").tBodies[0], rows)
  return rows.length > 0
}

// day, night or undefined. The meter names the tariff of now only; where that has a name, it is
// one of two, and so the other one has the other name.
export function tariffName(number) {
  const { tariff, tariff_name: name } = reading
  const names = ["day", "night"]
  if (!names.includes(name) || number > names.length) return undefined
  return number === tariff ? name : names.find((other) => other !== name)
}

export function showHour() {
  const values = past?.hour?.power_w.slice() ?? []
  const known = values.concat(netPower() ?? []).filter((value) => value !== null)
  find("hour").hidden = known.length < 2
  if (known.length < 2) return
  const low = Math.min(...known)
  const high = Math.max(...known)
  const inWords = low < 0 ? flow : (watts) => amount(watts, "W") // import goes without saying
  const words = text("hour", { low: inWords(low), high: inWords(high) })
  put(find("range"), words)
  find("spark").setAttribute("aria-label", words)
  drawHour([...values, netPower() ?? null].slice(-WINDOWS - 1), Math.min(low, 0), Math.max(high, 0))
}

function drawHour(values, low, high) {
  const y = (value) => 97 - (94 * (value - low)) / Math.max(high - low, 1)
  const x = (at) => WINDOWS - values.length + 1 + at
  let curve = ""
  let area = ""
  values.forEach((value, at) => {
    if (value === null) return
    const isNew = at === 0 || values[at - 1] === null
    const point = `${x(at)} ${y(value).toFixed(1)}`
    curve += isNew ? `M${point}h0` : `L${point}`
    area += isNew ? `M${x(at)} ${y(0)}L${point}` : `L${point}`
    if (values[at + 1] === null || at === values.length - 1) area += `V${y(0)}`
  })
  const [fill, line] = find("spark").querySelectorAll("path")
  set(fill, { d: area })
  set(line, { d: curve })
  set(find("spark").querySelector("line"), { y1: y(0), y2: y(0) })
  // Above zero in import's colour, below it in export's.
  const [, above, below] = find("sign").children
  for (const stop of [above, below]) set(stop, { offset: y(0) / 100 })
}
