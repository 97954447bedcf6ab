// All cards that show what the meter says, now and before.

import { limits, showDays } from "./days.js"
import { past, reading, timeOfReading } from "./known.js"
import { showMonths } from "./months.js"
import { showHour, showPower } from "./power.js"
import { showQuarter } from "./quarter.js"
import { showRegisters } from "./registers.js"
import { find, put } from "./shared.js"

let drawn = "" // what chartsDependOn() was when they were drawn

// Besides /history and the language.
const chartsDependOn = () =>
  JSON.stringify([limits(), reading.timestamp?.slice(0, 10), reading.monthly_power_peak_timestamp])

export function showReading() {
  put(find("clock"), reading.timestamp ? timeOfReading() : "")
  showPower()
  showHour()
  showQuarter()
  showRegisters()
  if (past && drawn !== chartsDependOn()) showPast()
}

// Where a history has come.
export function showHistory() {
  if (!reading) return // whose today would it be?
  showHour()
  showPast()
}

export function showPast() {
  if (!reading.timestamp) return // whose today would it be?
  drawn = chartsDependOn()
  showDays(reading.timestamp)
  showMonths(reading.timestamp.slice(0, 7))
}
