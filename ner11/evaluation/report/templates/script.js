"use strict";
// The page is complete without this: it lets tables be sorted and lists be filtered.

function compare(a, b, numbers) {
  return numbers ? Number(a) - Number(b) : a.localeCompare(b, "en");
}

function sortBy(header) {
  const table = header.closest("table");
  const numbers = header.dataset.sort === "number";
  const first = numbers ? "descending" : "ascending";
  const other = numbers ? "ascending" : "descending";
  const order = header.getAttribute("aria-sort") === first ? other : first;
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => row.cells[header.cellIndex].dataset.value ?? row.cells[header.cellIndex].textContent.trim();
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => [value(row), row]);
    // Rows without a value stay at the end in both orders.
    rows.sort(([a], [b]) => (a === "") - (b === "") || sign * compare(a, b, numbers));
    body.append(...rows.map(([, row]) => row));
  }
  for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
}

for (const header of document.querySelectorAll("table.sortable th[data-sort]")) {
  header.dataset.title = header.textContent; // for print: Chromium leaves buttons out where it repeats a head
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  button.addEventListener("click", () => sortBy(header));
  header.append(button);
}

const rules = {
  contains: (have, wish) => have.toLowerCase().includes(wish.trim().toLowerCase()),
  atleast: (have, wish) => Number(have) >= Number(wish),
  equals: (have, wish) => have === wish,
};

for (const form of document.querySelectorAll("form.filter")) {
  const items = [...document.querySelectorAll(form.dataset.items)];
  const fields = [...form.querySelectorAll("[data-rule]")];
  const apply = () => {
    const wished = fields.filter((field) => field.value !== "");
    for (const item of items) {
      item.hidden = !wished.every((field) => rules[field.dataset.rule](item.dataset[field.name], field.value));
    }
    const shown = items.filter((item) => !item.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${items.length} ${form.dataset.noun}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}

// Only what scrolls needs to be reached by keyboard.
const regions = [...document.querySelectorAll(".scroll")];
const reach = () => {
  for (const region of regions) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
};
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
reach();
