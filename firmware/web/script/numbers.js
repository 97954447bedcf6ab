// Numbers and times as the reader writes them.

import { text } from "./shared.js"

const ZONES = ["Europe/Brussels", "Europe/Vilnius"] // of the meters that the dongle knows
const SPANS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]

const formats = new Map()

let locale = "en"

// With the country, if the browser names one: 9 o'clock and 1,5 are written by it.
export function writeAsIn(language) {
  locale = navigator.languages.find((tag) => tag.startsWith(language)) ?? language
}

function format(kind, options) {
  const key = locale + kind + JSON.stringify(options)
  if (!formats.has(key)) formats.set(key, new Intl[kind](locale, options))
  return formats.get(key)
}

// Numbers with decimals stay the digits that the meter printed: JSON.parse would drop their zeros.
export function parse(json) {
  const quoted = (found) => (found[0] === '"' ? found : `"${found}"`)
  return JSON.parse(json.replace(/"(?:[^"\\]|\\.)*"|-?\d+\.\d+/g, quoted))
}

export function number(value, digits = (String(value).split(".")[1] ?? "").length) {
  return format("NumberFormat", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}

export const amount = (value, unit, digits) => `${number(value, digits)}\u00a0${unit}`
export const kilowatts = (watts, digits = 3) => amount(watts / 1000, "kW", digits)
export const euros = (cents) => format("NumberFormat", { style: "currency", currency: "EUR" }).format(cents / 100)
export const flow = (watts) => `${amount(Math.abs(watts), "W")} ${text(watts < 0 ? "export" : "import")}`

export const dated = (date, options) => format("DateTimeFormat", { hourCycle: "h23", ...options }).format(date)
export const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" }
export const MOMENT = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
export const DATE = { weekday: "long", day: "numeric", month: "long" }

// A stamp as the meter's clock shows it, wherever this browser is.
export const stamped = (iso, options) => dated(new Date(`${iso.slice(0, 19)}Z`), { ...options, timeZone: "UTC" })

// "2026-11-23 18:30" of Unix seconds; Swedes write it so.
export const inZone = (timeZone, seconds) =>
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" }).format(1000 * seconds)

export const unix = (iso) => Date.parse(iso) / 1000
export const zoneOf = (iso) =>
  ZONES.find((zone) => inZone(zone, unix(iso)).slice(11) === iso.slice(11, 16)) ?? ZONES[0]

export function dayBefore(day) {
  const noon = new Date(`${day}T12:00Z`)
  noon.setUTCDate(noon.getUTCDate() - 1)
  return noon.toISOString().slice(0, 10)
}

export const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`

// The largest unit of a time span, and how many of them.
function inUnits(seconds) {
  const [unit, size] = SPANS.find(([, size]) => seconds >= size) ?? SPANS[SPANS.length - 1]
  return [unit, Math.floor(seconds / size)]
}

export function lasting(seconds) {
  const [unit, count] = inUnits(seconds)
  return format("NumberFormat", { style: "unit", unit, unitDisplay: "long" }).format(count)
}

export function ago(seconds) {
  const [unit, count] = inUnits(seconds)
  return format("RelativeTimeFormat", {}).format(-count, unit)
}
