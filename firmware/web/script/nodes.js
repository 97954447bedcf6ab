// Making and changing what is shown.

import { put, text } from "./shared.js"

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

export function draw(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag)
  set(node, attributes)
  node.append(...children)
  return node
}

export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
}

// Rows of cells, the first of which is the row's heading. What is there is changed, not made
// anew: a screen reader stays where it is.
export function fill(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1)
  rows.forEach((cells, at) => {
    const row = body.rows[at] ?? body.insertRow()
    while (row.cells.length > cells.length) row.deleteCell(-1)
    cells.forEach((words, column) => {
      const cell = row.cells[column] ?? row.appendChild(column ? make("td") : make("th", { scope: "row" }))
      put(cell, words)
    })
  })
}

export function headings(head, keys) {
  const words = keys.map((key) => text(key))
  if (head.textContent === words.join("")) return
  head.replaceChildren(make("tr", {}, ...words.map((word) => make("th", { scope: "col", textContent: word }))))
}
