using System.Reflection;
using System.Reflection.Emit;

namespace FedCore.Client.Tests.PlugIns;

/// <summary>
/// Makes plug-in assemblies that no compiler would give: built against a FedCore of another version, or one that had other members. That FedCore is made too, to be
/// named in the plug-in, and is not kept.
/// </summary>
internal static class MadeAssembly
{
    /// <summary>How the plug-in's class is wrong.</summary>
    internal enum Flaw
    {
        None, NoPlugIn, NotPublic, NoConstructor, UsesVanishedType, UsesVanishedMember, DerivesFromVanishedType, Throws,
    }

    public static void Save(string path, Version fedCore, Flaw flaw)
    {
        PersistedAssemblyBuilder core = new(new AssemblyName("FedCore.Core") { Version = fedCore }, typeof(object).Assembly);
        ModuleBuilder coreModule = core.DefineDynamicModule("FedCore.Core");
        TypeBuilder registry = coreModule.DefineType("FedCore.Naming.Registry", TypeAttributes.Public | TypeAttributes.Sealed);
        MethodBuilder vanishedMember = registry.DefineMethod("Vanished", MethodAttributes.Public, typeof(void), []);
        Return(vanishedMember);
        TypeBuilder contract = coreModule.DefineType("FedCore.Naming.IPlugIn", TypeAttributes.Public | TypeAttributes.Interface | TypeAttributes.Abstract);
        contract.DefineMethod("Register", MethodAttributes.Public | MethodAttributes.Abstract | MethodAttributes.Virtual | MethodAttributes.HideBySig | MethodAttributes.NewSlot, typeof(void), [registry]);
        TypeBuilder vanished = coreModule.DefineType("FedCore.Naming.Vanished", TypeAttributes.Public);
        ConstructorBuilder vanishedConstructor = vanished.DefineDefaultConstructor(MethodAttributes.Public);

        PersistedAssemblyBuilder plugIn = new(new AssemblyName("Made") { Version = new Version(1, 0) }, typeof(object).Assembly);
        TypeBuilder type = plugIn.DefineDynamicModule("Made").DefineType(
            "Made.PlugIn", TypeAttributes.Class | (flaw == Flaw.NotPublic ? TypeAttributes.NotPublic : TypeAttributes.Public), flaw == Flaw.DerivesFromVanishedType ? vanished : typeof(object));
        if (flaw != Flaw.NoPlugIn) type.AddInterfaceImplementation(contract);
        Constructor(type, flaw == Flaw.NoConstructor ? [typeof(int)] : [], flaw == Flaw.DerivesFromVanishedType ? vanishedConstructor : typeof(object).GetConstructor([])!);
        ILGenerator body = type.DefineMethod(
            "Register", MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.HideBySig | MethodAttributes.NewSlot | MethodAttributes.Final, typeof(void), [registry]).GetILGenerator();
        switch (flaw)
        {
            case Flaw.UsesVanishedType:
                body.Emit(OpCodes.Newobj, vanishedConstructor);
                body.Emit(OpCodes.Pop);
                break;
            case Flaw.UsesVanishedMember:
                body.Emit(OpCodes.Ldarg_1);
                body.Emit(OpCodes.Call, vanishedMember);
                break;
            case Flaw.Throws:
                body.Emit(OpCodes.Ldstr, "no licence found");
                body.Emit(OpCodes.Newobj, typeof(InvalidOperationException).GetConstructor([typeof(string)])!);
                body.Emit(OpCodes.Throw);
                break;
        }

        body.Emit(OpCodes.Ret);
        registry.CreateType();
        contract.CreateType();
        vanished.CreateType();
        type.CreateType();
        plugIn.Save(path);
    }

    private static void Constructor(TypeBuilder type, Type[] parameters, ConstructorInfo parent)
    {
        ILGenerator body = type.DefineConstructor(MethodAttributes.Public | MethodAttributes.HideBySig, CallingConventions.Standard, parameters).GetILGenerator();
        body.Emit(OpCodes.Ldarg_0);
        body.Emit(OpCodes.Call, parent);
        body.Emit(OpCodes.Ret);
    }

    private static void Return(MethodBuilder method) => method.GetILGenerator().Emit(OpCodes.Ret);
}
