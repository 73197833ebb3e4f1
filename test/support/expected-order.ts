/**
 * The order in which `oldestFirst` is to give items of these ages, told in the plainest way: of all
 * that are known the oldest, and each eighth time the newest.
 */
export function expectedOrder(ages: readonly number[], windowMax: number): number[] {
  const known: number[] = [];
  const order: number[] = [];
  let next = 0;
  while (order.length < ages.length) {
    for (; next < ages.length && known.length < windowMax; next += 1) known.push(ages[next] ?? 0);
    const isNewest = (order.length + 1) % 8 === 0;
    const wanted = known.reduce(isNewest ? larger : smaller);
    known.splice(known.indexOf(wanted), 1);
    order.push(wanted);
  }
  return order;
}

const larger = (one: number, other: number) => Math.max(one, other);
const smaller = (one: number, other: number) => Math.min(one, other);
