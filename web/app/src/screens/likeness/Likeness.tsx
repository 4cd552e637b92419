export default function Likeness() { return null; }
