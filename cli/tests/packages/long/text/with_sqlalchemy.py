"""SQLAlchemy over SQLite: models, relations, queries, expressions, transactions, errors, pickles."""

import decimal

import sqlalchemy as sa
from sqlalchemy import orm

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "SQLAlchemy"


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), unique=True)
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(8, 2, asdecimal=True))
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


def filled(seed):
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        for a in range(5):
            books = [Book(title=f"Book {a}.{b}", price=decimal.Decimal(f"{b * seed % 90}.50")) for b in range(6)]
            session.add(Author(name=f"Author {a}", books=books))
        session.commit()
    return engine


def total(seed):
    with filled(seed).connect() as connection:
        return str(connection.scalar(sa.select(sa.func.sum(Book.price))))


def work(seed):
    with orm.Session(filled(seed)) as session:
        rows = session.execute(
            sa.select(Author.name, sa.func.count(Book.id), sa.func.max(Book.price))
            .join(Author.books)
            .where(Book.price > 3)
            .group_by(Author.name)
            .order_by(Author.name)
        ).all()
        found = {
            "rows": [[name, n, str(most)] for name, n, most in rows],
            "loaded": [
                len(a.books) for a in session.scalars(sa.select(Author).options(orm.selectinload(Author.books)))
            ],
            "threads": in_threads(total, range(seed, seed + 3)),
            "text": str(sa.select(Book).where(sa.or_(Book.title.like("%1%"), Book.id.in_([1, seed])))),
        }
        book = session.get(Book, seed % 30 + 1)
        assert pickled(book).title == book.title
        book.author.books.remove(book)
        session.commit()
        found["left"] = session.scalar(sa.select(sa.func.count()).select_from(Book))
        session.add(Author(name="Author 1"))
        found["errors"] = [raised(sa.exc.IntegrityError, session.commit)]
        session.rollback()
        found["errors"] += [
            raised(sa.exc.OperationalError, session.execute, sa.text("select * from nowhere")),
            raised(sa.exc.NoResultFound, session.scalars(sa.select(Author).where(Author.id > 99)).one),
            raised(sa.exc.ArgumentError, sa.select, "no column"),
        ]
        found["digest"] = digest(session.scalars(sa.select(Book.title).order_by(Book.id.desc())).all())
    return found
