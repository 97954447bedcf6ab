// The card of the meter readings, and the grid operator's message.

import { reading } from "./known.js"
import { fill } from "./nodes.js"
import { MOMENT, amount, stamped } from "./numbers.js"
import { tariffName } from "./power.js"
import { find, put, text } from "./shared.js"
import { TEXTS } from "./texts.js"

const ENERGIES = ["volume_m3", "energy_gj", "energy_kwh", "energy_mwh"]
const UNITS = { volume_m3: "m³", energy_gj: "GJ", energy_kwh: "kWh", energy_mwh: "MWh" }

export function showRegisters() {
  const rows = [...registerRows("import"), ...registerRows("export"), ...submeterRows()]
  find("registers").hidden = !rows.length && !reading.message_text
  fill(find("register-rows"), rows)
  find("message").hidden = !reading.message_text
  put(find("message-text"), reading.message_text ?? "")
}

function registerRows(direction) {
  const of = (part) => reading[`energy_${direction}${part}_kwh`]
  const tariffs = [1, 2, 3, 4, 5].filter((n) => of(`_t${n}`) !== undefined)
  const row = (words, value) => [`${text(direction)}, ${words}`, amount(value, "kWh")]
  const rows = tariffs.map((n) => row(text(tariffName(n) ?? "tariff", { number: n }), of(`_t${n}`)))
  if (of("") !== undefined) rows.push(row(text("total"), of("")))
  return rows
}

function submeterRows() {
  const rows = []
  for (const meter of reading.submeters ?? []) {
    const key = ENERGIES.find((each) => meter[each] !== undefined)
    if (!key) continue // never read
    const name = text(meter.type in TEXTS ? meter.type : "other")
    const time = meter.timestamp ? `, ${stamped(meter.timestamp, MOMENT)}` : ""
    rows.push([name + time, amount(meter[key], UNITS[key])])
  }
  return rows
}
