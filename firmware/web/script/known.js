// What the dongle has told, and when to ask for more.

import { CLOCK, dated, stamped, unix } from "./numbers.js"

export const QUARTER_S = 900
export const WINDOWS = 360 // of the last hour
const HEALTH_MS = 30000
const RETRY_MS = 10000 // for a history that was refused
const LATE_S = 3 // how much later than expected a telegram may be before the numbers are old
const LONGEST_PERIOD_S = 10 // of telegrams: older meters send every ten seconds, newer each second

export let reading = null
export let quarter = null
export let past = null // as /history told it; its hour goes on with what /live says
export let health = null
let telegramAt = 0 // when the meter sent the reading, by this browser's clock, in ms
let periodS = LONGEST_PERIOD_S // between telegrams, as far as seen
export let answeredAt = 0 // when /live was last answered, with whatever
export let refusal = null // what /live said instead of numbers: a code and words
let samples = [] // power in the last hour's unfinished window

export const due = { "/history": 0, "/health": 0 } // when to ask for them next, in ms
let healthAt = 0 // when it was last told, in ms
let historyAt = 0 // when it was last asked for, in ms

export const ageS = () => (Date.now() - telegramAt) / 1000
export const isOld = () => !reading || ageS() > periodS + LATE_S

// Import minus export; a meter without export has only the one.
export function netPower() {
  return reading.power_w ?? reading.power_import_w
}

export const timeOfReading = () =>
  reading.timestamp ? stamped(reading.timestamp, CLOCK) : dated(telegramAt, CLOCK)

// Takes an answer of /live. This and the next two say whether there is something new to show.
export function learnLive({ status, ageS, body }) {
  answeredAt = Date.now()
  refusal = status === 200 ? null : { code: body.code, reason: body.error }
  if (refusal) {
    hasten("/health", healthAt + RETRY_MS)
    return false
  }
  learnPeriod(body.reading.timestamp)
  const quarterBefore = quarterOf(reading)
  reading = body.reading
  quarter = body.quarter
  telegramAt = Date.now() - ageS * 1000
  if (quarterOf(reading) !== quarterBefore) hasten("/history", Date.now())
  continueHour()
  return true
}

const quarterOf = (reading) => Math.floor(unix(reading?.timestamp) / QUARTER_S)

function learnPeriod(timestamp) {
  const step = unix(timestamp) - unix(reading?.timestamp)
  if (step > 0) periodS = Math.min(periodS, step)
}

export function learnHistory({ status, body }) {
  due["/history"] = status === 503 ? Date.now() + RETRY_MS : Infinity
  if (status !== 200) return false
  past = body
  samples = []
  return true
}

export function historyIsAsked() {
  historyAt = Date.now()
}

export function learnHealth({ body }) {
  healthAt = Date.now()
  due["/health"] = healthAt + HEALTH_MS
  if (!body.id) return false // refused
  health = body
  return true
}

// The hour that /history told goes on here, in the same windows.
function continueHour() {
  const at = unix(reading.timestamp)
  const power = netPower()
  if (!past || Number.isNaN(at) || power === undefined) return
  const { hour } = past
  const ahead = at - hour.end
  if (ahead < -hour.step_s || ahead > 3 * hour.step_s) {
    // A gap, or the meter's clock was set: the dongle knows more.
    hasten("/history", historyAt + RETRY_MS)
    return
  }
  while (at >= hour.end + hour.step_s) {
    const sum = samples.reduce((sum, each) => sum + each, 0)
    hour.power_w.push(samples.length ? Math.round(sum / samples.length) : null)
    hour.power_w.splice(0, hour.power_w.length - WINDOWS)
    hour.end += hour.step_s
    samples = []
  }
  samples.push(power)
}

function hasten(path, at) {
  due[path] = Math.min(due[path], at)
}
