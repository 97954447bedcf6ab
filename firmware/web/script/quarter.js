// The card of the quarter hour that runs.

import { QUARTER_S, quarter } from "./known.js"
import { fill } from "./nodes.js"
import { euros, kilowatts, minutes } from "./numbers.js"
import { find, put, text } from "./shared.js"

const GAUGE_ROOM = 1.2 // so that the target is seen even where it is the most

export function showQuarter() {
  find("quarter").hidden = !quarter
  if (!quarter) return
  const { forecast_power_w: forecast } = quarter
  find("prospect").hidden = forecast === undefined
  put(find("forecast"), forecast === undefined ? "" : kilowatts(forecast))
  put(find("verdict"), verdict(forecast, quarter.target_power_w, quarter.headroom_w))
  put(find("estimated"), quarter.estimated ? text("estimated") : "")
  fill(find("quarter-rows"), quarterRows())
  showGauge(quarter.average_power_w, forecast, quarter.target_power_w)
  find("elapsed").style.width = `${(100 * quarter.elapsed_s) / QUARTER_S}%`
}

function verdict(forecast, target, headroom) {
  if (headroom < 0) return text("passed")
  if (forecast === undefined || target === undefined) return ""
  return text(forecast > target ? "above" : "below")
}

function quarterRows() {
  const { spare_w: spare } = quarter
  const rows = [
    ["average", quarter.average_power_w, kilowatts],
    ["target", quarter.target_power_w, kilowatts],
    ["left", QUARTER_S - quarter.elapsed_s, minutes],
    ["headroom", quarter.headroom_w < 0 ? undefined : quarter.headroom_w, kilowatts],
    [spare < 0 ? "excess" : "spare", spare, (spare) => kilowatts(Math.abs(spare))],
    ["monthPeak", quarter.month_peak_w, kilowatts],
    ["yearMean", quarter.year_mean_peak_w, kilowatts],
    ["cost", quarter.new_peak_cost_ct || undefined, euros],
  ]
  return rows
    .filter(([, value]) => value !== undefined)
    .map(([key, value, words]) => [text(key), words(value)])
}

function showGauge(average, forecast = average, target) {
  const gauge = find("gauge")
  gauge.hidden = average === undefined || target === undefined
  if (gauge.hidden) return
  const [ahead, done, mark, name] = gauge.children
  const all = GAUGE_ROOM * Math.max(target, average, forecast)
  const share = (watts) => `${(100 * watts) / all}%`
  const words = { average: kilowatts(average), forecast: kilowatts(forecast), target: kilowatts(target) }
  gauge.setAttribute("aria-label", text("gauge", words))
  ahead.style.width = share(forecast)
  done.style.width = share(average)
  mark.style.left = name.style.left = share(target)
}
