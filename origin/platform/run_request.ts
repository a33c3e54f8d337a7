import { z } from "zod";
import { utf8 } from "../../lib/bytes.ts";
import { dateTime, jsonObject } from "./request.ts";

const EXTERNAL_ID_LIMIT = 255; // characters
const URL_LIMIT = 2083; // characters
const CONTEXT_LIMIT_BYTES = 1024;

const wellFormed = (text: string) => text.isWellFormed() && !text.includes("\0");

const inputArtifact = z.object({
  name: z.string(),
  download_url: z.string().min(1).max(URL_LIMIT).refine((text) => URL.canParse(text), "Input should be a valid URL"),
  metadata: jsonObject,
});

const item = z.object({
  external_id: z.string().max(EXTERNAL_ID_LIMIT).refine(wellFormed, "Input should be valid text"),
  custom_metadata: jsonObject.nullish(),
  input_artifacts: z.array(inputArtifact),
});

/** Body of `POST /runs`. */
export const runRequest = z.object({
  application_id: z.string(),
  version_number: z.string().nullish(),
  custom_metadata: jsonObject.nullish(),
  scheduling: z.object({ due_date: dateTime.nullish(), deadline: dateTime.nullish() }).nullish(),
  callback_context: jsonObject.nullish().refine(
    (context) => utf8(JSON.stringify(context ?? null)).byteLength <= CONTEXT_LIMIT_BYTES,
    "The callback context is larger than 1 KB",
  ),
  items: z.array(item).min(1),
});

/** A run as it is asked for. */
export type RunRequest = z.output<typeof runRequest>;
