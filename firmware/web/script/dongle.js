// The card of the dongle itself.

import { health } from "./known.js"
import { fill } from "./nodes.js"
import { amount, lasting, number } from "./numbers.js"
import { reason } from "./reasons.js"
import { find, text } from "./shared.js"

const GOOD_DBM = -60
const FAIR_DBM = -75

export function showDongle() {
  const { telegrams, wifi, mqtt } = health
  const bad = telegrams.crc + telegrams.framing + telegrams.overflow
  const rows = [[text("meter"), meterWords(telegrams.good, bad)]]
  const { ethernet } = health
  if (ethernet) rows.push(["Ethernet", ethernet.connected ? text("code_connected") : reason(ethernet)])
  else rows.push(["Wi-Fi", wifi.connected ? `${text("code_connected")}${signal(wifi.rssi_dbm)}` : reason(wifi)])
  rows.push(["MQTT", reason(mqtt)])
  rows.push([text("uptime"), lasting(health.uptime_s)])
  for (const problem of health.config_problems) rows.push([text("problem"), problem])
  find("dongle").hidden = false
  fill(find("dongle-rows"), rows)
}

function meterWords(good, bad) {
  const words = [text("telegrams", { good: number(good), bad: number(bad) })]
  if (health.values_rejected) words.push(text("rejected", { count: number(health.values_rejected) }))
  if (health.reason) words.unshift(reason(health))
  return words.join(" · ")
}

function signal(dbm) {
  if (dbm === undefined) return ""
  const quality = dbm >= GOOD_DBM ? "good" : dbm >= FAIR_DBM ? "fair" : "weak"
  return `, ${amount(dbm, "dBm")} (${text(quality)})`
}
