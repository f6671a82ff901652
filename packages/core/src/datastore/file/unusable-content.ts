/** The source was read, and what it says cannot be used: nobody is away, somebody made a mistake. */
export class UnusableContent extends Error {}
