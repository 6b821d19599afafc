/**
 * The small pictures on buttons, and the one of the panel. They take the colour of the text.
 */
const PATHS = {
  add: 'M7.2 3h1.6v4.2H13v1.6H8.8V13H7.2V8.8H3V7.2h4.2z',
  remove: 'M3 7.2h10v1.6H3z',
  close:
    'M4.3 3.2 8 6.9l3.7-3.7 1.1 1.1L9.1 8l3.7 3.7-1.1 1.1L8 9.1l-3.7 3.7-1.1-1.1L6.9 8 3.2 4.3z',
  restart:
    'M8 2.5a5.5 5.5 0 0 1 4.2 2V2.4h1.5v4.9H8.8V5.8h2.5A4 4 0 1 0 12 8.3h1.5A5.5 5.5 0 1 1 8 2.5z',
  stop: 'M4 4h8v8H4z',
  interrupt: 'M4.5 3.5h2.4v9H4.5zM9.1 3.5h2.4v9H9.1z',
  use: 'M6.5 5H5a3 3 0 0 0 0 6h1.5v1.5H5a4.5 4.5 0 0 1 0-9h1.5zm3-1.5H11a4.5 4.5 0 0 1 0 9H9.5V11H11a3 3 0 0 0 0-6H9.5zM5 7.25h6v1.5H5z',
  code: 'm5.6 3.6 1.1 1.1L3.4 8l3.3 3.3-1.1 1.1L1.2 8zm4.8 0L14.8 8l-4.4 4.4-1.1-1.1L12.6 8 9.3 4.7z',
  copy: 'M5 1.5h8V11h-1.5V3H5zM2.5 4.5h7.6v10H2.5zM4 6v7h4.6V6z',
  timeline: 'M2 3h6v2.2H2zm4 3.9h8v2.2H6zM3.5 10.8h5V13h-5z',
  overview: 'M2 13V3h1.5v6.2l3-3.4 2.6 2 3.4-4.3 1.2 1-4.4 5.5-2.6-2-3.2 3.6v.9H14V13z',
  zoomIn:
    'M6.5 2a4.5 4.5 0 0 1 3.6 7.2l3.7 3.7-1 1L9 10.2A4.5 4.5 0 1 1 6.5 2zm0 1.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM5.9 4.6h1.2v1.3h1.3v1.2H7.1v1.3H5.9V7.1H4.6V5.9h1.3z',
  zoomOut:
    'M6.5 2a4.5 4.5 0 0 1 3.6 7.2l3.7 3.7-1 1L9 10.2A4.5 4.5 0 1 1 6.5 2zm0 1.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4.6 5.9h3.8v1.2H4.6z',
  fit: 'M2 5.5V2h3.5v1.5h-2v2zm8.5-3.5H14v3.5h-1.5v-2h-2zM3.5 10.5v2h2V14H2v-3.5zm9 2v-2H14V14h-3.5v-1.5z',
  follow: 'M3 3.5 8 8l-5 4.5zm5 0L13 8l-5 4.5zM13 3.5h1.5v9H13z',
  log: 'M3 3h10v1.5H3zm0 2.9h10v1.5H3zm0 2.8h7v1.5H3zm0 2.9h9V13H3z',
  console: 'M2 3h12v10H2zm1.5 1.5v7h9v-7zm1.2 1.3L7 8l-2.3 2.2-.9-1L5 8 3.8 6.8zM7.5 9.5h3v1.2h-3z'
} as const;

export type IconName = keyof typeof PATHS;

export function Icon(props: { name: IconName }): React.JSX.Element {
  return (
    <svg
      className="jp-Ipcluster-icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[props.name]} />
    </svg>
  );
}

/** A picture of its own, for a tab. */
export function iconSvg(name: IconName): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"><path class="jp-icon3" fill="#616161" d="${PATHS[name]}"/></svg>`;
}

/** A hub and its engines. */
export const PANEL_SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <circle cx="12" cy="12" r="3.6"/>
    <circle cx="12" cy="3.6" r="2.4"/><circle cx="12" cy="20.4" r="2.4"/>
    <circle cx="4.4" cy="7.8" r="2.4"/><circle cx="19.6" cy="7.8" r="2.4"/>
    <circle cx="4.4" cy="16.2" r="2.4"/><circle cx="19.6" cy="16.2" r="2.4"/>
    <path d="M11.4 3.6h1.2v16.8h-1.2zM4.1 8.3l.6-1 15.2 8.4-.6 1zM19.3 7.3l.6 1L4.7 16.7l-.6-1z"/>
  </g>
</svg>`;
