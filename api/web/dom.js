/**
 * Building elements. Everything is set as text or attribute, never as markup: names and messages on
 * this page come from other machines.
 */

/** `element('p', { class: 'bad' }, 'text', child)`; null children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (value !== null && value !== false) made.setAttribute(name, value)
  }
  made.append(...children.filter((child) => child !== null))
  return made
}

/** The same in a picture. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

export function byId(id) {
  return document.getElementById(id)
}

/**
 * Puts new children in place of the old. A view that looks the same is left alone, so that a
 * refresh neither moves the focus nor interrupts a screen reader.
 */
export function replace(target, ...children) {
  const next = element('div', {}, ...children)
  if (next.innerHTML === target.innerHTML) return
  const focused = target.contains(document.activeElement) ? document.activeElement.id : ''
  target.replaceChildren(...next.childNodes)
  if (focused !== '') byId(focused)?.focus()
}

/**
 * A table whose cells know their column's title, which is what a phone shows. It says by roles that it
 * is a table, which a browser forgets when the style lays rows out as cards.
 * @param columns `{ title, value(row), number?, wide?, tone?(row) }`; a value is text, number, null or
 * element; `wide` is for sentences.
 */
export function table(caption, columns, rows) {
  const used = columns.filter(({ value }) => rows.some((row) => !isEmpty(value(row))))
  const head = used.map(({ title, number }) =>
    element('th', { role: 'columnheader', scope: 'col', class: number ? 'number' : null }, title),
  )
  const body = rows.map((row) =>
    element(
      'tr',
      { role: 'row' },
      ...used.map(({ title, value, number, wide, tone }) =>
        element(
          'td',
          {
            role: 'cell',
            'data-label': title,
            class: [number && 'number', wide && 'wide', tone?.(row)].filter(Boolean).join(' '),
          },
          content(value(row)),
        ),
      ),
    ),
  )
  return element(
    'div',
    { class: 'scroll' },
    element(
      'table',
      { role: 'table' },
      element('caption', { class: 'hidden' }, caption),
      element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...head)),
      element('tbody', { role: 'rowgroup' }, ...body),
    ),
  )
}

function isEmpty(value) {
  return value === null || value === ''
}

function content(value) {
  if (isEmpty(value)) return null
  return value instanceof Node ? value : String(value)
}
