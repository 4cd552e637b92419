export default function Traits() { return null; }
