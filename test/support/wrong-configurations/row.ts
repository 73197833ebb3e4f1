/** A value that no layer may give a setting, and what its refusal must say would be right. */
export type WrongValue = readonly [leaf: string, value: string, says: string];
