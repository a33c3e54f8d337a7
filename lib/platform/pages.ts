import { InvalidInputError, NotFoundError, UpstreamError } from "../errors.ts";

/** No list of the platform is this long: a server that repeats itself is told apart from one that has much. */
const PAGE_LIMIT = 10_000;
const SMALLEST_PAGE = 5;
const LARGEST_PAGE = 100;

/**
 * All entries of a list, page by page, as far as the reader goes. A page that is shorter than asked for ends the list, and
 * so does status 404 behind the first page.
 * @param fetchPage is called with 1, 2, …, each only when its entries are wanted
 */
export async function* allPages<T>(
  fetchPage: (page: number) => Promise<readonly T[]>,
  pageSize: number,
): AsyncGenerator<T, void, undefined> {
  for (let page = 1; page <= PAGE_LIMIT; page++) {
    const entries = await pageOrEnd(fetchPage, page);
    yield* entries;
    if (entries.length < pageSize) return;
  }
  throw new UpstreamError("API", `The API does not come to an end of its list within ${PAGE_LIMIT} pages`);
}

async function pageOrEnd<T>(fetchPage: (page: number) => Promise<readonly T[]>, page: number): Promise<readonly T[]> {
  try {
    return await fetchPage(page);
  } catch (error) {
    if (page > 1 && error instanceof NotFoundError) return [];
    throw error;
  }
}

/** @throws {InvalidInputError} outside of what the server takes */
export function checkedPageSize(pageSize: number): number {
  if (Number.isInteger(pageSize) && pageSize >= SMALLEST_PAGE && pageSize <= LARGEST_PAGE) return pageSize;
  throw new InvalidInputError(
    "page_size",
    `The page size must be ${SMALLEST_PAGE} to ${LARGEST_PAGE}, not ${pageSize}`,
  );
}
