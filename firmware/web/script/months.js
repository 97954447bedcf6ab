// The card of the monthly peaks.

import { past, reading } from "./known.js"
import { make } from "./nodes.js"
import { MOMENT, kilowatts, number, stamped } from "./numbers.js"
import { find, put, text } from "./shared.js"

export const FLOOR_W = 2500 // each month counts for at least that much

export function showMonths(month) {
  const { monthly_power_peak_w: peak } = reading
  const months = [...past.months]
  if (peak !== undefined) months.push({ month, power_w: peak, isNow: true })
  find("months").hidden = !months.length
  put(find("peak-now"), peakWords())
  const high = Math.max(FLOOR_W, ...months.map((each) => each.power_w))
  find("floor").style.bottom = `calc(2.5rem + (100% - 3.7rem) * ${FLOOR_W / high})`
  find("peaks").replaceChildren(...months.map((each, at) => monthColumn(each, high, at === 0)))
}

function peakWords() {
  const { monthly_power_peak_w: peak, monthly_power_peak_timestamp: time } = reading
  if (peak === undefined || !time) return ""
  return text("peakNow", { power: kilowatts(peak), time: stamped(time, MOMENT) })
}

function monthColumn({ month, power_w: power, isNow }, high, isFirst) {
  const named = (options) => stamped(`${month}-01T00:00:00`, options)
  const seen = (tag, className, words) => make(tag, { className, textContent: words, ariaHidden: "true" })
  const year = isFirst || month.endsWith("-01") ? named({ year: "numeric" }) : ""
  const column = seen("i", "", "")
  const value = seen("span", "", number(power / 1000, 1))
  column.style.height = value.style.bottom = `${(100 * power) / high}%`
  const words = `${named({ month: "long", year: "numeric" })}: ${kilowatts(power)}`
  return make("li", { className: isNow ? "now" : "" },
    make("span", { className: "sr", textContent: words }),
    column, value, seen("span", "month", `${named({ month: "narrow" })}\n${year}`))
}
